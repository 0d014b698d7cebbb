#!/usr/bin/env python3
"""Writes the golden values of taggers and classifiers: `tagger-*` and `classifier-*`.

    python make_models.py [FOLDER]

Each sequence goes through PyTorch alone, without any padding, so that the Swift tests, which run them as one packed
batch, also compare the two ways. The conditional random field is written out here (sum over all paths by recursion, with
autograd) and compared with an enumeration of all paths.
"""

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from make_golden import LAYER_MODULES, Draw, parameters_and_gradients, run, scalar, write

# Odd where it can be, and all different.
VOCABULARY, EMBEDDING, HIDDEN, VECTOR = 9, 3, 4, 2
CHARACTERS, CHARACTER_EMBEDDING, CHARACTER_HIDDEN = 6, 2, 3
CLASSES, TAGS, BITS, NUMBERS, ATTENTION, STEPS = 5, 4, 7, 2, 6, 3
LENGTHS = [3, 5, 1, 4]  # not sorted
WORD_LENGTHS = [2, 4, 1, 3, 2, 5, 1]  # characters of the distinct words


# --------------------------------------------------------------------------------------------------
# Modules, with the names a PyTorch user would choose


class Characters(nn.Module):
    """The final states of both directions over the characters of a word."""

    def __init__(self, cell):
        super().__init__()
        self.embedding = nn.Embedding(CHARACTERS, CHARACTER_EMBEDDING)
        self.rnn = LAYER_MODULES[cell](CHARACTER_EMBEDDING, CHARACTER_HIDDEN, bidirectional=True)

    def forward(self, characters):
        _, final = self.rnn(self.embedding(characters).unsqueeze(1))
        h = final[0] if isinstance(final, tuple) else final
        return h.reshape(-1)


class Attention(nn.Linear):
    """Weights of the steps, from a learned query."""

    def __init__(self, inputs):
        super().__init__(inputs, ATTENTION)
        self.query = nn.Parameter(torch.empty(ATTENTION))

    def forward(self, h):
        return torch.softmax(torch.tanh(super().forward(h)) @ self.query, dim=0)


class ConditionalRandomField(nn.Module):
    def __init__(self):
        super().__init__()
        self.start_transitions = nn.Parameter(torch.empty(TAGS))
        self.end_transitions = nn.Parameter(torch.empty(TAGS))
        self.transitions = nn.Parameter(torch.empty(TAGS, TAGS))

    def log_sum(self, emissions, targets=None):
        """Log of the sum over all paths (that agree with the targets) of exp score."""
        if targets is not None:
            allowed = (targets[:, None] < 0) | (targets[:, None] == torch.arange(TAGS))
            emissions = emissions.masked_fill(~allowed, -torch.inf)
        alpha = self.start_transitions + emissions[0]
        for emission in emissions[1:]:
            alpha = torch.logsumexp(alpha[:, None] + self.transitions, dim=0) + emission
        return torch.logsumexp(alpha + self.end_transitions, dim=0)

    def score(self, emissions, path):
        steps = torch.arange(len(path))
        return (self.start_transitions[path[0]] + emissions[steps, path].sum()
                + self.transitions[path[:-1], path[1:]].sum() + self.end_transitions[path[-1]])

    def best(self, emissions, targets):
        """The best path by enumeration, after a comparison of log_sum with the sum over all paths."""
        paths = torch.tensor(list(itertools.product(range(TAGS), repeat=len(emissions))))
        scores = torch.stack([self.score(emissions, path) for path in paths])
        agreeing = ((targets < 0) | (paths == targets)).all(dim=1)
        torch.testing.assert_close(self.log_sum(emissions), torch.logsumexp(scores, dim=0))
        torch.testing.assert_close(self.log_sum(emissions, targets), torch.logsumexp(scores[agreeing], dim=0))
        return paths[scores.argmax()]


class Model(nn.Module):
    def __init__(self, cell, outputs, width=None, words=None, vectors=False, layers=1, bidirectional=False,
                 attention=False, crf=False):
        super().__init__()
        inputs = VECTOR
        if not vectors:
            self.embedding = nn.Embedding(VOCABULARY, EMBEDDING)
            inputs = EMBEDDING
        if words:
            self.characters = Characters(words)
            inputs += 2 * CHARACTER_HIDDEN
        self.rnn = LAYER_MODULES[cell](inputs, HIDDEN, layers, bidirectional=bidirectional)
        states = HIDDEN * (2 if bidirectional else 1)
        if attention:
            self.attention = Attention(states)
        self.output = nn.Linear(width or states, outputs)
        if crf:
            self.crf = ConditionalRandomField()

    def states(self, x):
        """(states [T, H], final h of the top layer [directions, H]) of one sequence."""
        output, final = self.rnn(x.unsqueeze(1))
        h = final[0] if isinstance(final, tuple) else final
        return output.squeeze(1), h[-2:] if self.rnn.bidirectional else h[-1:]


# --------------------------------------------------------------------------------------------------
# Inputs: sequences one after the other


class Inputs:
    def __init__(self, draw, lengths, vectors, words):
        self.lengths, self.count = lengths, sum(lengths)
        self.tensors = {"lengths": torch.tensor(lengths)}
        if vectors:
            self.tensors["vectors"] = draw.uniform(self.count, VECTOR)
        else:
            self.tensors["tokens"] = draw.integers(self.count, below=VOCABULARY)
        if words:
            self.tensors["words.index"] = draw.integers(self.count, below=len(WORD_LENGTHS))
            self.tensors["words.lengths"] = torch.tensor(WORD_LENGTHS)
            self.tensors["words.characters"] = draw.integers(sum(WORD_LENGTHS), below=CHARACTERS)

    def ranges(self):
        start = 0
        for length in self.lengths:
            yield slice(start, start + length)
            start += length

    def embedded(self, model):
        if "vectors" in self.tensors:
            return self.tensors["vectors"]
        x = model.embedding(self.tensors["tokens"])
        if "words.index" in self.tensors:
            words = self.tensors["words.characters"].split(WORD_LENGTHS)
            vectors = torch.stack([model.characters(word) for word in words])
            x = torch.cat([x, vectors[self.tensors["words.index"]]], dim=1)
        return x


# --------------------------------------------------------------------------------------------------
# Cases


def tagger_loss(kind, model, h, targets, smoothing):
    """(summed loss, prediction) of one sequence."""
    y = model.output(h)
    if kind == "softmax":
        loss = F.cross_entropy(y, targets, reduction="sum", label_smoothing=smoothing, ignore_index=-1)
        return loss, y.argmax(dim=1)
    if kind == "crf":
        return model.crf.log_sum(y) - model.crf.log_sum(y, targets), model.crf.best(y, targets)
    if kind == "bernoulli":
        known = targets[:, 0] >= 0
        return F.binary_cross_entropy_with_logits(y[known], targets[known], reduction="sum"), torch.sigmoid(y)
    return ((y - targets) ** 2).sum(), y


def draw_targets(draw, kind, count):
    if kind == "bernoulli":
        return draw.integers(count, BITS, below=2).double()
    if kind == "linear":
        return draw.uniform(count, NUMBERS)
    return draw.integers(count, below=TAGS if kind == "crf" else CLASSES)


def tagger_case(folder, name, kind, cell, unknown=(), smoothing=0.0, **options):
    draw = Draw(name)
    outputs = {"softmax": CLASSES, "crf": TAGS, "bernoulli": BITS, "linear": NUMBERS}[kind]
    model = draw.fill(Model(cell, outputs, crf=kind == "crf", **options))
    inputs = Inputs(draw, LENGTHS, options.get("vectors", False), options.get("words"))
    targets = draw_targets(draw, kind, inputs.count)
    targets[list(unknown)] = -1
    x = inputs.embedded(model)
    results = [tagger_loss(kind, model, model.states(x[r])[0], targets[r], smoothing) for r in inputs.ranges()]
    loss = sum(result[0] for result in results)
    loss.backward()
    tensors = inputs.tensors | parameters_and_gradients(model) | {
        "targets": targets, "loss": scalar(loss), "prediction": torch.cat([result[1] for result in results]),
        "tokens_counted": torch.tensor([inputs.count - len(unknown)]),
    }
    write(folder, name, tensors, metadata("tagger", kind, cell, outputs, smoothing, options))


def pool(pooling, model, h, final):
    """(pooled vector, attention weights or None) of one sequence."""
    if pooling == "attention":
        weights = model.attention(h)
        return weights @ h, weights
    pooled = {"last": lambda: final.reshape(-1), "mean": lambda: h.mean(dim=0),
              "max": lambda: h.max(dim=0).values, "all": lambda: h.reshape(-1)}[pooling]()
    return pooled, None


def classifier_case(folder, name, pooling, cell, kind="softmax", unknown=(), smoothing=0.0, **options):
    draw = Draw(name)
    states = HIDDEN * (2 if options.get("bidirectional") else 1)
    outputs = CLASSES if kind == "softmax" else NUMBERS
    model = draw.fill(Model(
        cell, outputs, width=STEPS * states if pooling == "all" else states,
        attention=pooling == "attention", **options))
    lengths = [STEPS] * len(LENGTHS) if pooling == "all" else LENGTHS
    inputs = Inputs(draw, lengths, options.get("vectors", False), options.get("words"))
    targets = draw_targets(draw, kind, len(lengths))
    targets[list(unknown)] = -1
    x = inputs.embedded(model)
    pooled, weights = zip(*(pool(pooling, model, *model.states(x[r])) for r in inputs.ranges()))
    y = model.output(torch.stack(pooled))
    if kind == "softmax":
        loss = F.cross_entropy(y, targets, reduction="sum", label_smoothing=smoothing, ignore_index=-1)
        prediction = torch.softmax(y, dim=1)
    else:
        loss, prediction = ((y - targets) ** 2).sum(), y
    loss.backward()
    tensors = inputs.tensors | parameters_and_gradients(model) | {
        "targets": targets, "loss": scalar(loss), "prediction": prediction,
        "tokens_counted": torch.tensor([len(lengths) - len(unknown)]),
    }
    if pooling == "attention":
        tensors["attention_weights"] = torch.cat(weights)
    write(folder, name, tensors, {
        "pooling": pooling, "attention_size": ATTENTION, "steps": STEPS,
        **metadata("classifier", kind, cell, outputs, smoothing, options),
    })


def metadata(family, kind, cell, outputs, smoothing, options):
    return {
        "family": family, "output": kind, "outputs": outputs, "label_smoothing": smoothing, "cell": cell,
        **({"nonlinearity": "tanh"} if cell == "rnn" else {}), "hidden_size": HIDDEN,
        "input": "vectors" if options.get("vectors") else "words" if options.get("words") else "tokens",
        "vocabulary_size": VOCABULARY, "embedding_size": EMBEDDING, "vector_size": VECTOR,
        "letters": CHARACTERS, "letter_embedding_size": CHARACTER_EMBEDDING, "letter_hidden_size": CHARACTER_HIDDEN,
        "letter_cell": options.get("words") or "", "layers": options.get("layers", 1),
        "bidirectional": options.get("bidirectional", False),
    }


def make_taggers(folder):
    both = {"bidirectional": True}
    tagger_case(folder, "tagger-softmax", "softmax", "gru")
    tagger_case(folder, "tagger-words", "softmax", "lstm", unknown=(1, 8), smoothing=0.1, words="lstm", layers=2, **both)
    tagger_case(folder, "tagger-crf", "crf", "lstm", **both)
    # One step within the first sequence, all of the third, first and last of the fourth.
    tagger_case(folder, "tagger-crf-partial", "crf", "gru", unknown=(1, 8, 9, 12), words="gru")
    tagger_case(folder, "tagger-bernoulli", "bernoulli", "rnn", unknown=(4,), vectors=True)
    tagger_case(folder, "tagger-linear", "linear", "lstm", vectors=True, layers=2)


def make_classifiers(folder):
    classifier_case(folder, "classifier-last", "last", "lstm", vectors=True, unknown=(2,))
    classifier_case(folder, "classifier-last-bidirectional", "last", "gru", layers=2, bidirectional=True, smoothing=0.1)
    classifier_case(folder, "classifier-mean", "mean", "gru", words="rnn")
    classifier_case(folder, "classifier-max", "max", "lstm", bidirectional=True)
    classifier_case(folder, "classifier-attention", "attention", "lstm", bidirectional=True)
    classifier_case(folder, "classifier-all", "all", "gru", vectors=True, bidirectional=True)
    classifier_case(folder, "classifier-regression", "last", "gru", kind="linear", vectors=True, bidirectional=True)


if __name__ == "__main__":
    run(make_taggers, make_classifiers)
