"""The sequences per second of a batched beam search in PyTorch.

The model is the encoder-decoder of torch_peers.py (bidirectional LSTM, additive attention, readout) with random weights. Keys
are projected once, all hypotheses of a batch advance in one step, and states are reordered by index_select. Every search runs
for the same number of steps, so the weights don't affect the time.

    python torch_beam.py --layers 2 --embed 64 --hidden 256 --decoder 400 --attention 200 --readout 128 --src 30 --tgt 42 \
        --slen 8 --tlen 8 --beam 5 --batch 64 --threads 2

Prints one JSON line with the sequences per second, the median of --runs batches. Needs numpy and torch.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn

SIZES = dict(layers=2, embed=64, hidden=256, decoder=400, attention=200, readout=128, src=30, tgt=42, slen=8, tlen=8, beam=5,
             batch=64, threads=2, runs=20)


class Searcher(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.source, self.target = nn.Embedding(o.src, o.embed), nn.Embedding(o.tgt, o.embed)
        self.encoder = nn.LSTM(o.embed, o.hidden, o.layers, bidirectional=True)
        self.bridge = nn.Linear(2 * o.hidden, o.decoder)
        self.keys, self.query = nn.Linear(2 * o.hidden, o.attention, bias=False), nn.Linear(o.decoder, o.attention)
        self.energy = nn.Linear(o.attention, 1, bias=False)
        self.cell = nn.LSTMCell(o.embed + 2 * o.hidden, o.decoder)
        self.readout = nn.Linear(o.decoder + 2 * o.hidden + o.embed, o.readout)
        self.output = nn.Linear(o.readout, o.tgt)

    @torch.inference_mode()
    def search(self, source, o):
        states, (final, _) = self.encoder(self.source(source))
        states = states.transpose(0, 1).repeat_interleave(o.beam, 0)
        keys = self.keys(states)
        hidden = torch.tanh(self.bridge(torch.cat((final[-2], final[-1]), 1))).repeat_interleave(o.beam, 0)
        cell = torch.zeros_like(hidden)
        scores = torch.full((o.batch, o.beam), -1e9)
        scores[:, 0] = 0
        first = torch.arange(o.batch)[:, None] * o.beam
        tokens = torch.zeros(o.batch * o.beam, dtype=torch.long)
        history = []
        for _ in range(o.tlen):
            word = self.target(tokens)
            weights = torch.softmax(self.energy(torch.tanh(keys + self.query(hidden)[:, None])).squeeze(2), 1)
            context = torch.bmm(weights[:, None], states).squeeze(1)
            hidden, cell = self.cell(torch.cat((word, context), 1), (hidden, cell))
            logits = self.output(torch.tanh(self.readout(torch.cat((hidden, context, word), 1))))
            total = scores[:, :, None] + torch.log_softmax(logits, 1).view(o.batch, o.beam, o.tgt)
            scores, best = total.flatten(1).topk(o.beam)
            rows = (first + best // o.tgt).flatten()
            tokens = (best % o.tgt).flatten()
            hidden, cell = hidden.index_select(0, rows), cell.index_select(0, rows)
            history.append((rows, tokens))
        return history


def main():
    parser = argparse.ArgumentParser()
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    model, rates = Searcher(o).eval(), []
    for run in range(o.runs + 3):
        source = torch.randint(o.src, (o.slen, o.batch))
        started = time.perf_counter()
        model.search(source, o)
        if run >= 3:
            rates.append(o.batch / (time.perf_counter() - started))
    print(json.dumps({"sequences_s": statistics.median(rates), "peer": "torch " + torch.__version__}))


main()
