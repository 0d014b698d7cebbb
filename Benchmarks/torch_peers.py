"""The workloads of `rnn-dist bench` in PyTorch, as one process with several threads or as several processes with gloo.

    python torch_peers.py lm --cell lstm --vocab 65 --embed 512 --hidden 512 --layers 2 --batch 64 --steps 50 --iters 8
    python torch_peers.py seq2seq --src 8000 --tgt 8000 --embed 256 --hidden 512 --batch 64 --slen 20 --tlen 20 --iters 6
    python torch_peers.py generate --cell lstm --vocab 65 --embed 512 --hidden 512 --layers 2 --length 100 --streams 1
    python torch_peers.py lm --batch 32 --steps 1000 --shortest 10 --ragged packed --iters 2

With --shortest the lengths of the sequences are spread evenly from it to --steps. --ragged says how they are computed: packed
(pack_padded_sequence) or padded to the longest one. Only real tokens count.
Options --threads N, --precision fp32|bf16 (autocast), --optimizer sgd|adam. Processes: set RANK, WORLD_SIZE, MASTER_ADDR and
MASTER_PORT for each, as torchrun does; --batch is then the global batch. Prints one JSON line on rank 0. Needs numpy and torch.
"""
import argparse
import json
import os
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


class LanguageModel(nn.Module):
    def __init__(self, options):
        super().__init__()
        kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[options.cell]
        self.embedding = nn.Embedding(options.vocab, options.embed)
        self.recurrent = kind(options.embed, options.hidden, options.layers)
        self.output = nn.Linear(options.hidden, options.vocab)

    def forward(self, tokens, state):
        hidden, state = self.recurrent(self.embedding(tokens), state)
        return self.output(hidden), state


class PackedLanguageModel(LanguageModel):
    """The logits of the real tokens only, in the order of a packed sequence."""

    def forward(self, tokens, lengths):
        packed, _ = self.recurrent(pack_padded_sequence(self.embedding(tokens), lengths, enforce_sorted=False))
        return self.output(packed.data)


class Translator(nn.Module):
    """Additive attention on the decoder's previous state. Keys are projected once; the output layer runs once for all steps."""

    def __init__(self, options):
        super().__init__()
        units, width = options.hidden, options.embed
        self.source, self.target = nn.Embedding(options.src, width), nn.Embedding(options.tgt, width)
        self.encoder = nn.LSTM(width, units, bidirectional=True)
        self.bridge = nn.Linear(2 * units, units)
        self.keys, self.query = nn.Linear(2 * units, units, bias=False), nn.Linear(units, units)
        self.energy = nn.Linear(units, 1, bias=False)
        self.decoder = nn.LSTMCell(width + 2 * units, units)
        self.readout, self.output = nn.Linear(3 * units + width, width), nn.Linear(width, options.tgt)

    def forward(self, source, target):
        states, (final, _) = self.encoder(self.source(source))
        states = states.transpose(0, 1)
        keys, words = self.keys(states), self.target(target)
        hidden = torch.tanh(self.bridge(torch.cat((final[0], final[1]), dim=1)))
        cell, joined = torch.zeros_like(hidden), []
        for word in words:
            scores = self.energy(torch.tanh(keys + self.query(hidden)[:, None])).squeeze(2)
            context = torch.bmm(torch.softmax(scores, dim=1)[:, None], states).squeeze(1)
            hidden, cell = self.decoder(torch.cat((word, context), dim=1), (hidden, cell))
            joined.append(torch.cat((hidden, context, word), dim=1))
        return self.output(torch.tanh(self.readout(torch.stack(joined))))


def detached(state):
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


class TextSteps:
    """A language model whose state is carried from step to step."""

    def __init__(self, options, streams):
        self.model, self.state = LanguageModel(options), None
        self.tokens = options.batch * options.steps
        self.draw = lambda: torch.randint(options.vocab, (options.steps + 1, streams))

    def loss(self, network, text):
        logits, self.state = network(text[:-1], None if self.state is None else detached(self.state))
        return nn.functional.cross_entropy(logits.flatten(0, 1).float(), text[1:].flatten())


class RaggedSteps:
    """A language model on sequences of different lengths, each from a state of zeros."""

    def __init__(self, options, rank, world):
        self.is_packed = options.ragged == "packed"
        self.model = (PackedLanguageModel if self.is_packed else LanguageModel)(options)
        # As `rnn-dist bench lm --shortest` arranges them: contiguous shards hold similar numbers of tokens.
        last = options.batch - 1
        places = [i // 2 if i % 2 == 0 else last - i // 2 for i in range(options.batch)]
        lengths = [options.shortest + (options.steps - options.shortest) * place // max(1, last) for place in places]
        self.tokens, streams = sum(lengths), options.batch // world
        self.lengths = torch.tensor(lengths[rank * streams:(rank + 1) * streams])
        longest = int(self.lengths.max())
        self.is_padding = torch.arange(longest)[:, None] >= self.lengths
        self.draw = lambda: torch.randint(options.vocab, (longest + 1, streams))

    def loss(self, network, text):
        if self.is_packed:
            targets = pack_padded_sequence(text[1:], self.lengths, enforce_sorted=False).data
            return nn.functional.cross_entropy(network(text[:-1], self.lengths).float(), targets)
        logits, _ = network(text[:-1], None)
        targets = text[1:].masked_fill(self.is_padding, -100)  # the index that the loss ignores
        return nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


class PairSteps:
    """An encoder-decoder on pairs of fixed lengths."""

    def __init__(self, options, pairs):
        self.model, self.tokens = Translator(options), options.batch * options.tlen
        self.draw = lambda: (torch.randint(options.src, (options.slen, pairs)),
                             torch.randint(options.tgt, (options.tlen + 1, pairs)))

    def loss(self, network, pair):
        source, target = pair
        logits = network(source, target[:-1])
        return nn.functional.cross_entropy(logits.flatten(0, 1).float(), target[1:].flatten())


def train(options):
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        torch.distributed.init_process_group("gloo")
    if options.shortest:
        work = RaggedSteps(options, rank, world)
    else:
        work = (PairSteps if options.bench == "seq2seq" else TextSteps)(options, options.batch // world)
    parameters = list(work.model.parameters())
    network = nn.parallel.DistributedDataParallel(work.model) if world > 1 else work.model
    kind = torch.optim.SGD if options.optimizer == "sgd" else torch.optim.Adam
    optimizer = kind(parameters, lr=0.1 if options.optimizer == "sgd" else 1e-3)
    times, warm_up = [], 1 if options.shortest else 5
    for iteration in range(options.iters + warm_up):
        batch = work.draw()
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            loss = work.loss(network, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        if iteration >= warm_up:
            times.append(time.perf_counter() - started)
    median = statistics.median(times)
    if world > 1:
        torch.distributed.destroy_process_group()
    return rank, {"ms": 1e3 * median, "tok_s": work.tokens / median}


@torch.inference_mode()
def generate(options):
    model, state = LanguageModel(options), None
    tokens, rates = torch.zeros(1, options.streams, dtype=torch.long), []
    for run in range(4):
        started = time.perf_counter()
        for _ in range(options.length if run else 10):
            logits, state = model(tokens, state)
            tokens = torch.multinomial(torch.softmax(logits[0] / 0.8, -1), 1).t()
        rates.append(options.length * options.streams / (time.perf_counter() - started))
    return 0, {"chars_s": statistics.median(rates[1:])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench", choices=["lm", "seq2seq", "generate"])
    sizes = dict(vocab=65, embed=512, hidden=512, layers=2, batch=64, steps=50, iters=8, length=100, streams=1, threads=2,
                 src=8000, tgt=8000, slen=20, tlen=20, shortest=0)
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--cell", default="lstm", choices=["lstm", "gru", "rnn"])
    parser.add_argument("--ragged", default="packed", choices=["packed", "padded"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--optimizer", default="sgd", choices=["sgd", "adam"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    rank, result = generate(options) if options.bench == "generate" else train(options)
    result.update(peer="torch " + torch.__version__, rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    if rank == 0:
        print(json.dumps(result))


main()
