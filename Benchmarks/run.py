#!/usr/bin/env python3
"""Runs the benchmarks of rnn-dist, alternating with PyTorch, and writes a table of medians, spreads and ratios.

    Benchmarks/run.py                                  # rnn-dist alone
    Benchmarks/run.py --peer /path/to/python           # beside PyTorch, run by that interpreter
    Benchmarks/run.py --rows lstm512 ptb200 --rounds 5 --output Benchmarks/results.md --machine "2-core Zen 4 virtual machine"
    Benchmarks/run.py --own                            # and then what is compared with itself
    Benchmarks/run.py --kernels avx2 --peer PYTHON     # as on a processor without AVX-512, in all programs
    Benchmarks/run.py --precisions fp32                # without bf16

Each round runs rnn-dist in each of the --precisions and the peer in fp32, one after another, so that a drift of the machine affects all of
them; ratios are computed per round. The peer runs as one process with one thread per core, and as one process per core with
gloo; the faster one counts. Sequences of different lengths count by their real tokens. --own adds comparisons of rnn-dist with
itself: all ranks against one, one process with threads against ranks, ragged lengths against fixed ones, and the recurrent
matrix products against the peak of a core (the run fails below 90 % of it). --kernels chooses the instruction set of rnn-dist;
with avx2, OpenBLAS and PyTorch are told to use AVX2 as well.
Build first: swift build -c release. No other program should run meanwhile.
"""
import argparse
import datetime
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LM = {
    "lstm512": dict(cell="lstm", vocab=65, embed=512, hidden=512, layers=2, batch=64, steps=50, iters=10),
    "gru512": dict(cell="gru", vocab=65, embed=512, hidden=512, layers=2, batch=64, steps=50, iters=10),
    "rnn512": dict(cell="rnn", vocab=65, embed=512, hidden=512, layers=2, batch=64, steps=50, iters=15),
    "ptb200": dict(cell="lstm", vocab=10000, embed=200, hidden=200, layers=2, batch=20, steps=20, iters=25),
    "ptb650": dict(cell="lstm", vocab=10000, embed=650, hidden=650, layers=2, batch=20, steps=35, iters=8),
}
# Sequences of different lengths, once for each way in which PyTorch computes them. The batch is small because PyTorch takes
# more than 13 seconds for a step of packed sequences, and minutes with 32 of them.
LM.update({f"{form}512": dict(cell="lstm", vocab=65, embed=512, hidden=512, layers=2, batch=8, steps=1000, shortest=10, iters=2)
           for form in ("packed", "padded")})
PAIRS = {
    "seq2seq512": dict(src=8000, tgt=8000, embed=256, hidden=512, batch=64, slen=20, tlen=20, iters=8),
    "seq2seq256": dict(src=60, tgt=60, embed=128, hidden=256, batch=64, slen=10, tlen=8, iters=20),
}
GENERATE = {"sample512": dict(cell="lstm", vocab=65, embed=512, hidden=512, layers=2, length=200, streams=1)}
TEXT = {
    "lstm512": "LM, LSTM 2x512, V=65, B=64, T=50", "gru512": "the same, GRU", "rnn512": "the same, tanh RNN",
    "ptb200": "LM, LSTM 2x200, V=10,000, B=20, T=20", "ptb650": "LM, LSTM 2x650, V=10,000, B=20, T=35",
    "seq2seq512": "attention seq2seq 512, V=8,000, 20 to 20", "seq2seq256": "attention seq2seq 256, V=60, 10 to 8",
    "sample512": "sampling one stream, LSTM 2x512",
    "packed512": "LM, LSTM 2x512, V=65, B=8, lengths 10 to 1,000; PyTorch with packed sequences",
    "padded512": "the same; PyTorch with padding",
}


# What makes OpenBLAS, PyTorch and oneDNN use AVX2.
AVX2 = {"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


def arguments(options):
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def last_json(command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}: {done.stderr.strip()[-800:]}")
    return json.loads(lines[-1])


def ours(settings, row, precision):
    if row in GENERATE:
        result = last_json([settings.program, "bench", "generate", "--json", "--precision", precision,
                            *arguments(GENERATE[row])])
        return result["chars_s"], result["rss_mib"]
    launcher = ["mpirun", "-np", str(settings.ranks), "--bind-to", "core"] if settings.ranks > 1 else []
    bench, sizes = ("seq2seq", PAIRS[row]) if row in PAIRS else ("lm", LM[row])
    result = last_json(launcher + [settings.program, "bench", bench, "--json", "--precision", precision, *arguments(sizes)])
    return result["tgt_tok_s" if row in PAIRS else "tok_s"], result["rss_mib"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def peer(settings, row):
    script = [settings.peer, str(HERE / "torch_peers.py")]
    if row in GENERATE:
        runs = [last_json(script + ["generate", "--threads", str(threads), *arguments(GENERATE[row])])
                for threads in (1, settings.ranks)]
        best = max(runs, key=lambda run: run["chars_s"])
        return best["chars_s"], best["rss_mib"]
    bench, sizes = ("seq2seq", PAIRS[row]) if row in PAIRS else ("lm", LM[row])
    command = script + [bench, *arguments({**sizes, "iters": max(2, sizes["iters"] // 2)})]
    if row in PAIRS:
        command += ["--optimizer", "adam"]
    if "shortest" in sizes:
        command += ["--ragged", row.removesuffix("512")]
    runs = [last_json(command + ["--threads", str(settings.ranks)])]
    if settings.ranks > 1:
        job = dict(WORLD_SIZE=str(settings.ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()),
                   OMP_NUM_THREADS="1")
        others = [subprocess.Popen(command + ["--threads", "1"], env={**os.environ, **job, "RANK": str(rank)},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                  for rank in range(1, settings.ranks)]
        runs.append(last_json(command + ["--threads", "1"], {**job, "RANK": "0"}))
        for process in others:
            process.wait()
    best = max(runs, key=lambda run: run["tok_s"])
    return best["tok_s"], best["rss_mib"]


def median_text(values, form=",.0f"):
    median = statistics.median(values)
    spread = (max(values) - min(values)) / median / 2 if len(values) > 1 else 0
    return f"{median:{form}} ±{100 * spread:.0f}%"


def ratio(own, other):
    """The ratio per round, whose two runs were measured in the same minute."""
    return median_text([a / b for a, b in zip(own, other)], ".2f")


def measure(settings, row):
    """Returns the line of the table for a row."""
    rates = {precision: [] for precision in (*settings.precisions, "peer")}
    memory = {}
    for _ in range(settings.rounds):
        for precision in settings.precisions:
            rate, memory[precision] = ours(settings, row, precision)
            rates[precision].append(rate)
        if settings.peer:
            rate, memory["peer"] = peer(settings, row)
            rates["peer"].append(rate)
    cells = [TEXT[row], *(median_text(rates[precision]) for precision in settings.precisions)]
    if settings.peer:
        cells += [median_text(rates["peer"]), *(ratio(rates[precision], rates["peer"]) for precision in settings.precisions),
                  f"{memory[settings.precisions[0]] / memory['peer']:.2f}"]
    return "| " + " | ".join(cells) + " |"


def tokens(settings, options, precision, ranks, threads):
    launcher = ["mpirun", "-np", str(ranks), "--bind-to", "core"] if ranks > 1 else []
    if ranks == threads == 1:
        launcher = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    command = launcher + [settings.program, "bench", "lm", "--json", "--precision", precision, *arguments(options)]
    return last_json(command, {"OPENBLAS_NUM_THREADS": str(threads)})["tok_s"]


def own_lines(settings):
    """Returns the comparisons of rnn-dist with itself, in each precision."""
    n, lines = settings.ranks, []
    for precision in settings.precisions:
        for row in ("lstm512", "ptb650"):
            forms = {"one": (1, 1), "ranks": (n, 1), "threads": (1, n)}
            rates = {form: [] for form in forms}
            for _ in range(settings.rounds):
                for form, (ranks, threads) in forms.items():
                    rates[form].append(tokens(settings, LM[row], precision, ranks, threads))
            lines.append(f"| {TEXT[row]}, {precision}: {n} ranks against one of one thread | {median_text(rates['ranks'])} | "
                         f"{median_text(rates['one'])} | {ratio(rates['ranks'], rates['one'])} |")
            lines.append(f"| the same: one process of {n} threads against {n} ranks | {median_text(rates['threads'])} | "
                         f"{median_text(rates['ranks'])} | {ratio(rates['threads'], rates['ranks'])} |")
        fixed, ragged = [], []
        for _ in range(settings.rounds):
            ragged.append(tokens(settings, {**LM["lstm512"], "steps": 50, "shortest": 5}, precision, n, 1))
            fixed.append(tokens(settings, {**LM["lstm512"], "steps": 27}, precision, n, 1))
        lines.append(f"| LSTM 2x512, {precision}: lengths of 5 to 50 against 27, real tokens | {median_text(ragged)} | "
                     f"{median_text(fixed)} | {ratio(ragged, fixed)} |")
    return lines


def products(settings):
    """Compares the recurrent matrix products with the peak; returns 0 if they reach their thresholds."""
    core = str(min(os.sched_getaffinity(0)))
    return subprocess.run(["taskset", "-c", core, settings.program, "bench", "gemm", "--require", "0.90", "--require-bf16",
                           "0.90"], env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="a Python interpreter with torch; without it no peer is run")
    parser.add_argument("--rows", nargs="+", choices=list(TEXT), default=list(TEXT))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
    parser.add_argument("--ranks", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--program", default=str(HERE.parent / ".build/release/rnn-dist"))
    parser.add_argument("--machine", default="this machine", help="what to call the machine in the table")
    parser.add_argument("--kernels", choices=["portable", "avx2", "avx512", "avx512-bf16"],
                        help="instruction set of rnn-dist's kernels; avx2 holds for the other programs too")
    parser.add_argument("--own", action="store_true", help="also what is compared with itself")
    parser.add_argument("--output", help="file to write the table to, besides standard output")
    settings = parser.parse_args()
    if settings.kernels:
        os.environ["RNN_DIST_KERNELS"] = settings.kernels
    if settings.kernels == "avx2":
        os.environ.update(AVX2)
    head = ["workload", *settings.precisions]
    if settings.peer:
        head += ["PyTorch fp32", *(f"ratio {precision}" for precision in settings.precisions),
                 f"memory {settings.precisions[0]}"]
    lines = [
        f"Tokens per second, {settings.ranks} ranks, {settings.machine}, "
        f"{f'kernels for {settings.kernels}, ' if settings.kernels else ''}{datetime.date.today()}: medians of "
        f"{settings.rounds} alternated rounds ± half the range.", "",
        "| " + " | ".join(head) + " |", "|" + "---|" * len(head),
    ]
    print("\n".join(lines), flush=True)

    def add(*further):
        lines.extend(further)
        print("\n".join(further), flush=True)
        if settings.output:
            pathlib.Path(settings.output).write_text("\n".join(lines) + "\n")

    for row in settings.rows:
        add(measure(settings, row))
    if settings.own:
        add("", "| with itself, tokens per second | first | second | ratio |", "|---|---|---|---|", *own_lines(settings))
        sys.exit(products(settings))


main()
