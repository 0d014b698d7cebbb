"""What rnn-dist bench measures, in PyTorch: one process with several threads, or several processes with gloo.

    python torch_peers.py lm --cell lstm --vocab 65 --embed 512 --hidden 512 --layers 2 --batch 64 --steps 50 --iters 8
    python torch_peers.py generate --cell lstm --vocab 65 --embed 512 --hidden 512 --layers 2 --length 100 --streams 1

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


def detached(state):
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def train(options):
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        torch.distributed.init_process_group("gloo")
    model = LanguageModel(options)
    network = nn.parallel.DistributedDataParallel(model) if world > 1 else model
    kind = torch.optim.SGD if options.optimizer == "sgd" else torch.optim.Adam
    optimizer = kind(model.parameters(), lr=0.1 if options.optimizer == "sgd" else 1e-3)
    streams, state, times = options.batch // world, None, []
    for iteration in range(options.iters + 5):
        text = torch.randint(options.vocab, (options.steps + 1, streams))
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            logits, state = network(text[:-1], None if state is None else detached(state))
            loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), text[1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if iteration >= 5:
            times.append(time.perf_counter() - started)
    median = statistics.median(times)
    if world > 1:
        torch.distributed.destroy_process_group()
    return rank, {"ms": 1e3 * median, "tok_s": options.batch * options.steps / median}


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
    parser.add_argument("bench", choices=["lm", "generate"])
    sizes = dict(vocab=65, embed=512, hidden=512, layers=2, batch=64, steps=50, iters=8, length=100, streams=1, threads=2)
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--cell", default="lstm", choices=["lstm", "gru", "rnn"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--optimizer", default="sgd", choices=["sgd", "adam"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    rank, result = train(options) if options.bench == "lm" else generate(options)
    result.update(peer="torch " + torch.__version__, rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    if rank == 0:
        print(json.dumps(result))


main()
