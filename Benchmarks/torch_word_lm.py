"""The recipe of configs/ptb-small.yaml in PyTorch, to compare its final perplexity with that of rnn-dist.

Usage: python torch_word_lm.py TRAIN VALID EPOCHS SEED [THREADS [VOCABULARY]]

LSTM 2x200, batch 20, 20 steps, carried state, all parameters from U(-0.1, 0.1), SGD at 20 on the mean loss, clipping to
0.25, whole chunks only, no dropout. Words are split at white space, a line end is <eos>, and the VOCABULARY (10,000) most frequent words are
kept. Prints the validation perplexity of each epoch. Needs numpy and torch in a separate environment; neither the build nor
the tests use it.
"""
import collections
import math
import sys
import time

import torch
import torch.nn as nn


def words(path):
    return [w for line in open(path, encoding="utf-8") for w in line.split() + ["<eos>"]]


def vocabulary(tokens, size=10_000):
    counts = collections.Counter(t for t in tokens if t not in ("<unk>", "<eos>"))
    kept = sorted(counts, key=lambda w: (-counts[w], w))[: size - 2]
    return {w: i for i, w in enumerate(["<unk>", "<eos>"] + kept)}


class Model(nn.Module):
    def __init__(self, size, hidden=200, layers=2):
        super().__init__()
        self.embedding = nn.Embedding(size, hidden)
        self.rnn = nn.LSTM(hidden, hidden, layers)
        self.output = nn.Linear(hidden, size)
        for p in self.parameters():
            nn.init.uniform_(p, -0.1, 0.1)

    def forward(self, x, state):
        y, state = self.rnn(self.embedding(x), state)
        return self.output(y), state


def streams(ids, count):
    length = len(ids) // count
    return ids[: length * count].view(count, length).t().contiguous()


def evaluate(model, ids, count=20, steps=20):
    data, state, total = streams(ids, count), None, 0.0
    tokens = 0
    with torch.no_grad():
        for i in range(0, len(data) - 1, steps):
            n = min(steps, len(data) - 1 - i)
            logits, state = model(data[i : i + n], state)
            total += nn.functional.cross_entropy(
                logits.flatten(0, 1), data[i + 1 : i + 1 + n].flatten(), reduction="sum").item()
            tokens += n * count
    return math.exp(total / tokens)


def main():
    train_path, valid_path, epochs, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(int(sys.argv[5]) if len(sys.argv) > 5 else 1)
    torch.manual_seed(seed)
    text = words(train_path)
    index = vocabulary(text, int(sys.argv[6]) if len(sys.argv) > 6 else 10_000)
    encode = lambda tokens: torch.tensor([index.get(t, 0) for t in tokens])
    train, valid = streams(encode(text), 20), encode(words(valid_path))
    model = Model(len(index))
    optimizer = torch.optim.SGD(model.parameters(), lr=20)
    for epoch in range(epochs):
        state, started, steps = None, time.time(), 20
        for i in range((len(train) - 1) // steps):
            x, y = train[i * steps : (i + 1) * steps], train[i * steps + 1 : (i + 1) * steps + 1]
            if state is not None:
                state = tuple(s.detach() for s in state)
            logits, state = model(x, state)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            optimizer.step()
        print(f"seed {seed} epoch {epoch + 1} vocabulary {len(index)} valid perplexity {evaluate(model, valid):.2f} "
              f"({time.time() - started:.0f} s)", flush=True)


main()
