#!/usr/bin/env python3
"""Writes sampling-huggingface: the distributions that Hugging Face's `generate` draws from.

    python make_sampling.py [FOLDER]

Needs the package transformers besides those of make_golden.py. Its own classes do the work, in the order in which
`generate` applies them: temperature, top-k, top-p. The logits of a row are all different, because equal ones at a
bound are a matter of taste (there Hugging Face keeps more than k tokens, or one that depends on its sort).
"""

import torch
from make_golden import run, write
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

ROWS, VOCABULARY = 3, 50
# Temperature, k (0: all), p (1: all).
CASES = [
    (1, 0, 1), (0.5, 0, 1), (2, 0, 1), (1, 1, 1), (1, 5, 1), (0.7, 12, 1), (1, 50, 1), (1, 0, 0.9), (1, 0, 0.5),
    (1, 0, 0.05), (1.5, 0, 0.97), (1, 5, 0.9), (1, 10, 0.5), (0.8, 20, 0.8), (1.3, 40, 0.95), (1, 3, 0.35),
]


def distribution(logits, temperature, k, p):
    scores = logits
    if temperature != 1:
        scores = TemperatureLogitsWarper(float(temperature))(None, scores)
    if k:
        scores = TopKLogitsWarper(k)(None, scores)
    if p != 1:
        scores = TopPLogitsWarper(p)(None, scores)
    return scores.softmax(-1)


def make_sampling(folder):
    generator = torch.Generator().manual_seed(7)
    # Multiples of 1/64, exact in single precision: different numbers of 64ths, a wide spread.
    rows = [torch.randperm(512, generator=generator)[:VOCABULARY] for _ in range(ROWS)]
    logits = torch.stack(rows).double() / 64 - torch.tensor([[0.0], [4.0], [-300.0]]).double()
    write(folder, "sampling-huggingface", {
        "logits": logits,
        "options": torch.tensor(CASES).double(),
        "probabilities": torch.stack([distribution(logits, *case) for case in CASES]),
    }, {"family": "sampling", "rows": ROWS, "vocabulary_size": VOCABULARY})


if __name__ == "__main__":
    run(make_sampling)
