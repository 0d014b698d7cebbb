#!/usr/bin/env python3
"""Writes golden values of encoder-decoders and generators: `seq2seq-*` and `generator-*`.

    python make_seq2seq.py [FOLDER]

The models are written here the plain way: one sentence at a time, one step at a time, each equation as in its paper,
so that nothing is padded, sorted or batched. Helpers and conventions are those of make_golden.py.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import weight_norm

from make_golden import LAYER_MODULES, Draw, parameters_and_gradients, run, scalar, write

SOURCE_VOCABULARY, TARGET_VOCABULARY, EMBEDDING, HIDDEN = 6, 7, 3, 4
SOURCE_LENGTHS, SECOND_LENGTHS, TARGET_LENGTHS = [3, 1, 4], [2, 4, 1], [2, 3, 0]
BEGIN, END = 1, 2

DEFAULTS = {
    "context": "initial-state", "summary": "last", "summary_size": 0, "bridge": "transform", "bridge_from": "summary",
    "bridge_cell": False, "encoder_cell": "lstm", "encoder_hidden": 2, "encoder_layers": 1, "bidirectional": True,
    "source_size": 0, "sources": 1, "cell": "lstm", "layers": 1, "readout": "direct", "readout_size": 0,
    "with_context": False, "with_input": False, "input_feeding": False, "score": "additive", "attention_size": 3,
    "normed": False, "scaling": "none", "query": "previous", "coverage": False, "coverage_loss": 0.0,
    "location_channels": 0, "location_width": 0, "window": -1, "tie_output": False, "share_embeddings": False,
    "label_smoothing": 0.0,
}
HIDDEN_READOUT = {"readout": "hidden", "readout_size": 5, "with_context": True, "with_input": True}


# --------------------------------------------------------------------------------------------------
# Encoder and what follows it


class Encoder(nn.Module):
    def __init__(self, o):
        super().__init__()
        size = o["source_size"]
        if not size:
            self.embedding = nn.Embedding(SOURCE_VOCABULARY, EMBEDDING)
        self.rnn = LAYER_MODULES[o["encoder_cell"]](
            size or EMBEDDING, o["encoder_hidden"], o["encoder_layers"], bidirectional=o["bidirectional"])
        self.directions = 2 if o["bidirectional"] else 1
        self.size = o["encoder_hidden"] * self.directions

    def forward(self, x):
        """One sentence: outputs [S, D], and for each layer its final states h (and c) of both directions joined."""
        if hasattr(self, "embedding"):
            x = self.embedding(x)
        output, final = self.rnn(x)
        parts = final if isinstance(final, tuple) else (final,)
        return output, [p.view(-1, self.directions, p.shape[-1]).flatten(1) for p in parts]


class Summary(nn.Module):
    def __init__(self, o, size):
        super().__init__()
        self.form, self.size = o["summary"], size
        if self.form != "last":
            self.size = o["summary_size"] or size
            self.weight = nn.Parameter(torch.empty(self.size, size))
            self.bias = nn.Parameter(torch.empty(self.size))

    def forward(self, output, top):
        if self.form == "last":
            return top
        if self.form == "last-transform":
            return torch.tanh(F.linear(top, self.weight, self.bias))
        return torch.tanh(F.linear(output, self.weight, self.bias)).mean(0)


class Bridge(nn.Module):
    """The initial state of every layer: h, and c of an LSTM."""

    def __init__(self, o, summary_size, hidden_sizes, cell_sizes):
        super().__init__()
        self.o = o
        if o["bridge"] == "transform":
            for layer in range(o["layers"]):
                hidden = hidden_sizes[layer] if o["bridge_from"] == "final-states" else summary_size
                cell = cell_sizes[layer] if o["bridge_from"] == "final-states" and cell_sizes[layer] else hidden
                self.add_module(f"h_l{layer}", nn.Linear(hidden, HIDDEN))
                if o["cell"] == "lstm" and o["bridge_cell"]:
                    self.add_module(f"c_l{layer}", nn.Linear(cell, HIDDEN))

    def forward(self, c, hidden, cell):
        """hidden and cell: final states for each layer of the decoder."""
        h, cells = [], []
        for layer in range(self.o["layers"]):
            from_h = hidden[layer] if self.o["bridge_from"] == "final-states" else c
            from_c = cell[layer] if self.o["bridge_from"] == "final-states" and cell[layer].numel() else from_h
            h.append(self.part("h", layer, from_h))
            cells.append(self.part("c", layer, from_c) if self.o["bridge_cell"] else torch.zeros(HIDDEN))
        state = (torch.stack(h).unsqueeze(1), torch.stack(cells).unsqueeze(1))  # [layers, batch of 1, H]
        return state if self.o["cell"] == "lstm" else state[0]

    def part(self, kind, layer, x):
        if self.o["bridge"] == "zero":
            return torch.zeros(HIDDEN)
        if self.o["bridge"] == "identity":
            return x
        return torch.tanh(getattr(self, f"{kind}_l{layer}")(x))


# --------------------------------------------------------------------------------------------------
# Attention


class Attention(nn.Module):
    def __init__(self, o, memory_size):
        super().__init__()
        self.o, size = o, o["attention_size"]
        if o["score"] == "additive":
            self.key = nn.Linear(memory_size, size, bias=False)
            self.query = nn.Linear(HIDDEN, size)
            v = nn.Linear(size, 1, bias=False)
            self.v = weight_norm(v) if o["normed"] else v
            if o["coverage"]:
                self.coverage = nn.Linear(1, size, bias=False)
            if o["location_channels"]:
                width = o["location_width"]
                self.location_conv = nn.Conv1d(1, o["location_channels"], width, padding=width // 2, bias=False)
                self.location = nn.Linear(o["location_channels"], size, bias=False)
        elif o["score"] == "general":
            self.general = nn.Linear(memory_size, HIDDEN, bias=False)
        if o["scaling"] == "learned":
            self.scale = nn.Parameter(torch.empty(1))

    def forward(self, h, s, previous, coverage, step):
        """Outputs h [S, D], state s [H], weights of the step before [S] and the sum of all before: weights [S]."""
        if self.o["score"] == "additive":
            inner = self.key(h) + self.query(s)
            if self.o["coverage"]:
                inner = inner + self.coverage(coverage.unsqueeze(1))
            if self.o["location_channels"]:
                features = self.location_conv(previous.view(1, 1, -1))[0]
                inner = inner + self.location(features.t())
            scores = self.v(torch.tanh(inner)).squeeze(1)
        else:
            keys = self.general(h) if self.o["score"] == "general" else h
            scores = keys @ s
        if self.o["scaling"] == "inverse-square-root":
            scores = scores / HIDDEN**0.5
        elif self.o["scaling"] == "learned":
            scores = scores * self.scale
        if self.o["window"] >= 0:
            center = min(step, len(h) - 1)
            outside = (torch.arange(len(h)) - center).abs() > self.o["window"]
            scores = scores.masked_fill(outside, float("-inf"))
        return torch.softmax(scores, 0)


# --------------------------------------------------------------------------------------------------
# Decoder and whole models


class Decoder(nn.Module):
    def __init__(self, o, condition_size, context_size):
        super().__init__()
        self.o = o
        self.embedding = nn.Embedding(TARGET_VOCABULARY, EMBEDDING)
        if o["context"] == "initial-input":
            self.condition = nn.Linear(condition_size, EMBEDDING)
        in_cell = context_size if o["query"] == "previous" or o["context"] == "every-step" else 0
        joined = HIDDEN + context_size * o["with_context"] + EMBEDDING * o["with_input"]
        size = o["readout_size"] if o["readout"] == "hidden" else joined
        self.rnn = LAYER_MODULES[o["cell"]](EMBEDDING + in_cell + size * o["input_feeding"], HIDDEN, o["layers"])
        if o["readout"] == "hidden":
            self.read = nn.Linear(joined, size)
        self.size = size
        self.output = nn.Linear(size, TARGET_VOCABULARY)
        if o["tie_output"]:
            self.output.weight = self.embedding.weight

    def run(self, target, state, condition, attentions, memories):
        """Loss of one sentence (target without marks) and the attention weights of every step, source by source."""
        o, attends = self.o, bool(attentions)
        previous = [torch.zeros(len(h)) for h in memories]
        coverage = [torch.zeros(len(h)) for h in memories]
        feed, loss, kept = torch.zeros(self.size), torch.zeros(()), []
        for step, (token, label) in enumerate(zip([BEGIN] + target, target + [END])):
            y = self.embedding(torch.tensor(token))
            if o["context"] == "initial-input" and step == 0:
                y = self.condition(condition)

            def attend():
                query = (state[0] if isinstance(state, tuple) else state)[-1, 0]  # of the top layer
                weights = [a(h, query, p, c, step)
                           for a, h, p, c in zip(attentions, memories, previous, coverage)]
                return weights, torch.cat([w @ h for w, h in zip(weights, memories)])

            context = condition if o["context"] == "every-step" else torch.zeros(0)
            if attends and o["query"] == "previous":
                weights, context = attend()
            x = [y, context] + ([feed] if o["input_feeding"] else [])
            s, state = self.rnn(torch.cat(x).view(1, 1, -1), state)
            s = s[0, 0]
            if attends and o["query"] == "current":
                weights, context = attend()
            r = torch.cat([s] + [context] * o["with_context"] + [y] * o["with_input"])
            if o["readout"] == "hidden":
                r = torch.tanh(self.read(r))
            loss = loss + F.cross_entropy(
                self.output(r), torch.tensor(label), label_smoothing=o["label_smoothing"])
            if attends:
                for w, c in zip(weights, coverage):
                    loss = loss + o["coverage_loss"] * torch.minimum(w, c).sum()
                coverage = [c + w for w, c in zip(weights, coverage)]
                previous = weights
                kept.append(weights)
            feed = r
        return loss, kept


class EncoderDecoder(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.o = o
        self.encoder = Encoder(o)
        if o["sources"] == 2:  # the second one is a GRU in one direction
            self.encoder2 = Encoder(dict(o, encoder_cell="gru", encoder_hidden=3, bidirectional=False))
        self.encoders = [getattr(self, n) for n in ("encoder", "encoder2")[: o["sources"]]]
        sizes = [e.size for e in self.encoders]
        summaries = [Summary(o, size) for size in sizes]
        needs = o["context"] in ("initial-input", "every-step") or (
            o["bridge"] != "zero" and o["bridge_from"] == "summary")
        if needs and o["summary"] != "last":
            self.summary = summaries[0]
            if len(summaries) == 2:
                self.summary2 = summaries[1]
        self.summaries = summaries
        summary_size = sum(s.size for s in summaries)
        heights = range(o["layers"])
        self.bridge = Bridge(
            o, summary_size, [sum(sizes) for _ in heights],
            [sum(e.size for e in self.encoders if isinstance(e.rnn, nn.LSTM)) for _ in heights])
        self.attentions = []
        if o["context"] == "attention":
            self.attention = Attention(o, sizes[0])
            self.attentions = [self.attention]
            if o["sources"] == 2:
                self.attention2 = Attention(o, sizes[1])
                self.attentions.append(self.attention2)
        context = {"attention": sum(sizes), "every-step": summary_size}.get(o["context"], 0)
        self.decoder = Decoder(o, summary_size, context)
        if o["share_embeddings"]:
            self.decoder.embedding.weight = self.encoder.embedding.weight
            if o["tie_output"]:
                self.decoder.output.weight = self.encoder.embedding.weight

    def run(self, sources, target):
        outputs, hidden, cell, c = [], [[] for _ in range(self.o["layers"])], [[] for _ in range(self.o["layers"])], []
        for encoder, summary, source in zip(self.encoders, self.summaries, sources):
            output, final = encoder(source)
            outputs.append(output)
            c.append(summary(output, final[0][-1]))
            for layer in range(self.o["layers"]):
                at = min(layer, len(final[0]) - 1)
                hidden[layer].append(final[0][at])
                if len(final) == 2:
                    cell[layer].append(final[1][at])
        join = lambda parts: torch.cat(parts) if parts else torch.zeros(0)
        state = self.bridge(join(c), [join(h) for h in hidden], [join(x) for x in cell])
        return self.decoder.run(
            target, state, join(c), self.attentions, outputs if self.attentions else [])


class Generator(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.o, size = o, o["condition_size"]
        if o["condition"] == "classes":
            self.condition = nn.Embedding(o["classes"], size)
        form = o["context"] if o["condition"] != "none" else "none"
        o = dict(o, context=form, query="none", bridge="transform" if form == "initial-state" else "zero")
        self.bridge = Bridge(o, size, [], [])
        self.decoder = Decoder(o, size, size if form == "every-step" else 0)

    def run(self, condition, target):
        if self.o["condition"] == "classes":
            condition = self.condition(condition)
        return self.decoder.run(target, self.bridge(condition, [], []), condition, [], [])


# --------------------------------------------------------------------------------------------------
# Cases


def draw_targets(draw):
    """The targets, and their tensors of the case."""
    targets = [draw.integers(n, below=TARGET_VOCABULARY) for n in TARGET_LENGTHS]
    tensors = {"target.tokens": torch.cat(targets), "target.lengths": torch.tensor(TARGET_LENGTHS)}
    return [target.tolist() for target in targets], tensors


def finish(folder, name, model, losses, tensors, options):
    sum(losses).backward()
    tensors |= parameters_and_gradients(model) | {"loss": scalar(sum(losses)), "losses": torch.stack(losses)}
    write(folder, name, tensors, options)


def seq2seq_case(folder, case, **options):
    unknown = set(options) - set(DEFAULTS)
    assert not unknown, unknown
    o = DEFAULTS | options
    name = f"seq2seq-{case}"
    draw = Draw(name)
    model = draw.fill(EncoderDecoder(o))
    tensors = {}
    sources, lengths = [], [SOURCE_LENGTHS, SECOND_LENGTHS]
    vocabulary = TARGET_VOCABULARY if o["share_embeddings"] else SOURCE_VOCABULARY
    for index in range(o["sources"]):
        prefix = f"source{index}"
        if o["source_size"]:
            sentences = [draw.uniform(n, o["source_size"]) for n in lengths[index]]
            tensors[f"{prefix}.values"] = torch.cat(sentences)
        else:
            sentences = [draw.integers(n, below=vocabulary) for n in lengths[index]]
            tensors[f"{prefix}.tokens"] = torch.cat(sentences)
        tensors[f"{prefix}.lengths"] = torch.tensor(lengths[index])
        sources.append(sentences)
    targets, target_tensors = draw_targets(draw)
    tensors |= target_tensors
    losses, attention = zip(*(model.run(sentences, target) for *sentences, target in zip(*sources, targets)))
    for index in range(o["sources"] if o["context"] == "attention" else 0):
        tensors[f"attention{index}"] = torch.cat([step[index] for weights in attention for step in weights])
    finish(folder, name, model, losses, tensors, o)


def generator_case(folder, case, **options):
    o = DEFAULTS | {"condition": "classes", "classes": 3, "condition_size": 2} | options
    name = f"generator-{case}"
    draw = Draw(name)
    model = draw.fill(Generator(o))
    targets, tensors = draw_targets(draw)
    conditions = [torch.zeros(0)] * 3
    if o["condition"] == "classes":
        tensors["classes"] = conditions = torch.tensor([2, 0, 2])
    elif o["condition"] == "features":
        tensors["features"] = conditions = draw.uniform(3, o["condition_size"])
    losses = [model.run(condition, target)[0] for condition, target in zip(conditions, targets)]
    finish(folder, name, model, losses, tensors, o)


class Benchmark(nn.Module):
    """The model that the throughput is measured with, as one writes it in PyTorch for speed: batched, equal lengths."""

    NAMES = {"es": "encoder.embedding", "enc": "encoder.rnn", "init": "bridge.h_l0", "key": "attention.key",
             "query": "attention.query", "v": "attention.v", "et": "decoder.embedding", "cell": "decoder.rnn",
             "read": "decoder.read", "out": "decoder.output"}

    def __init__(self, source, target, E, H):
        super().__init__()
        self.es, self.et = nn.Embedding(source, E), nn.Embedding(target, E)
        self.enc = nn.LSTM(E, H, bidirectional=True)
        self.key, self.query, self.v = nn.Linear(2 * H, H, bias=False), nn.Linear(H, H), nn.Linear(H, 1, bias=False)
        self.init = nn.Linear(2 * H, H)
        self.cell = nn.LSTMCell(E + 2 * H, H)
        self.read, self.out = nn.Linear(H + 2 * H + E, E), nn.Linear(E, target)

    def forward(self, x, y, labels):
        h, (last, _) = self.enc(self.es(x))
        h = h.transpose(0, 1)
        keys, ye = self.key(h), self.et(y)
        s = torch.tanh(self.init(torch.cat([last[0], last[1]], -1)))
        c, outputs = torch.zeros_like(s), []
        for t in range(len(y)):
            a = torch.softmax(self.v(torch.tanh(keys + self.query(s).unsqueeze(1))).squeeze(-1), -1)
            context = torch.bmm(a.unsqueeze(1), h).squeeze(1)
            s, c = self.cell(torch.cat([ye[t], context], -1), (s, c))
            outputs.append(torch.cat([s, context, ye[t]], -1))
        logits = self.out(torch.tanh(self.read(torch.stack(outputs))))
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")


def benchmark_case(folder):
    name = "seq2seq-benchmark"
    draw, batch, steps, sizes = Draw(name), 3, 4, (SOURCE_VOCABULARY, TARGET_VOCABULARY, EMBEDDING, HIDDEN)
    model = draw.fill(Benchmark(*sizes))
    x, y = draw.integers(5, batch, below=SOURCE_VOCABULARY), draw.integers(steps, batch, below=TARGET_VOCABULARY)
    read = torch.cat([torch.full((1, batch), BEGIN), y])
    labels = torch.cat([y, torch.full((1, batch), END)])
    loss = model(x, read, labels)
    loss.backward()
    tensors = {"loss": scalar(loss), "source0.tokens": x.t().flatten(), "source0.lengths": torch.tensor([5] * batch),
               "target.tokens": y.t().flatten(), "target.lengths": torch.tensor([steps] * batch)}
    for key, tensor in parameters_and_gradients(model).items():
        kind, module, parameter = key.split(".")
        layer = "_l0" if module == "cell" else ""
        tensors[f"{kind}.{Benchmark.NAMES[module]}.{parameter}{layer}"] = tensor
    options = DEFAULTS | {
        "context": "attention", "encoder_hidden": HIDDEN, "attention_size": HIDDEN, "readout": "hidden",
        "readout_size": EMBEDDING, "with_context": True, "with_input": True}
    write(folder, name, tensors, options)


def make_forms(folder):
    for context in ("initial-state", "initial-input", "every-step"):
        for summary in ("last", "last-transform", "all-transform"):
            size = {"summary_size": 5} if summary == "all-transform" else {}
            seq2seq_case(folder, f"{context}-{summary}", context=context, summary=summary, **size)
    seq2seq_case(folder, "every-step-readout", context="every-step", cell="gru", **HIDDEN_READOUT)
    seq2seq_case(folder, "every-step-output", context="every-step", with_context=True, label_smoothing=0.2)


def make_bridges(folder):
    states = {"bridge_from": "final-states", "bridge_cell": True}
    seq2seq_case(folder, "bridge-identity", bridge="identity", encoder_layers=2, layers=2, **states)
    seq2seq_case(folder, "bridge-identity-c", bridge="identity", encoder_cell="gru", cell="gru", layers=2)
    seq2seq_case(folder, "bridge-states", encoder_hidden=3, bidirectional=False, layers=2, **states)
    seq2seq_case(folder, "bridge-gru-lstm", encoder_cell="gru", **states)
    seq2seq_case(folder, "bridge-zero", context="every-step", bridge="zero", cell="rnn", encoder_cell="rnn")
    seq2seq_case(folder, "bridge-cell", bridge_cell=True)


def make_attention(folder):
    def case(name, **options):
        seq2seq_case(folder, f"attention-{name}", context="attention", **(HIDDEN_READOUT | options))
    location = {"location_channels": 2, "location_width": 3}
    case("additive")
    case("normed", normed=True)
    case("dot", score="dot")
    case("general", score="general")
    case("scaled", score="general", scaling="inverse-square-root")
    case("learned-scale", score="dot", scaling="learned")
    case("coverage", coverage=True, coverage_loss=0.7)
    case("location", **location)
    case("window", score="general", window=1)
    case("everything", normed=True, coverage=True, coverage_loss=0.3, window=1, label_smoothing=0.1, **location)
    case("current", score="general", query="current", input_feeding=True, with_input=False)
    case("current-additive", query="current", input_feeding=True, coverage=True)
    case("feeding", input_feeding=True, layers=2, cell="gru")
    case("direct", readout="direct", with_input=False)
    case("two-sources", sources=2)
    case("vectors", source_size=3)
    case("tied", readout_size=EMBEDDING, tie_output=True)
    seq2seq_case(folder, "two-sources-every-step", context="every-step", sources=2, summary="all-transform",
                 bridge_from="final-states", bridge_cell=True)


def make_generators(folder):
    for form in ("initial-state", "initial-input", "every-step"):
        generator_case(folder, f"{form}-classes", context=form, bridge_cell=True)
        generator_case(folder, f"{form}-features", context=form, condition="features", condition_size=3, cell="gru")
    generator_case(folder, "none", context="initial-state", condition="none", condition_size=0)


if __name__ == "__main__":
    run(make_forms, make_bridges, make_attention, make_generators, benchmark_case)
