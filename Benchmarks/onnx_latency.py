#!/usr/bin/env python3
"""Compares the latency of LSTM layers, one sequence at a time, with ONNX Runtime, and writes a table.

    Benchmarks/onnx_latency.py --peer /path/to/python      # an interpreter with onnxruntime, onnx and numpy
    Benchmarks/onnx_latency.py --peer PYTHON --kernels avx2 --rounds 5

The same layers (torch.nn.LSTM's, without embedding and output) run on random inputs in both programs, alternated. Each runs with
one thread and with one per core, and the faster one counts; rnn-dist runs in fp32 and with weights of eight bits. Numbers are microseconds per call: medians over the rounds ± half the range; ratios are computed per round. ONNX Runtime
has no switch for its instruction set, so with --kernels avx2 it may still use AVX-512.

With --serve this script is the peer: it builds the model, measures, and prints one JSON object.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SHAPES = [(1, 128), (2, 512), (4, 1024)]  # layers, units
STEPS = (1, 50)


def model(layers, units, steps):
    """An ONNX model of LSTM layers with random weights: x [steps, 1, units] -> y of the same shape."""
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    random = numpy.random.default_rng(1)
    nodes, weights, below = [], [], "x"
    squeeze_axis = numpy_helper.from_array(numpy.array([1], dtype=numpy.int64), "direction")
    for layer in range(layers):
        for name, shape in (("W", (1, 4 * units, units)), ("R", (1, 4 * units, units)), ("B", (1, 8 * units))):
            values = random.uniform(-0.05, 0.05, shape).astype(numpy.float32)
            weights.append(numpy_helper.from_array(values, f"{name}{layer}"))
        nodes.append(helper.make_node("LSTM", [below, f"W{layer}", f"R{layer}", f"B{layer}"], [f"y{layer}"],
                                      hidden_size=units))
        below = "y" if layer + 1 == layers else f"x{layer + 1}"
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", "direction"], [below]))
    shape = [steps, 1, units]
    graph = helper.make_graph(nodes, "lstm", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)], weights + [squeeze_axis])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(made)
    return made


def serve(layers, units, steps, threads, seconds=0.5):
    import numpy
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model(layers, units, steps).SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    feed = {"x": numpy.random.default_rng(2).uniform(-0.5, 0.5, (steps, 1, units)).astype(numpy.float32)}
    for _ in range(5):
        session.run(None, feed)
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds:
        began = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - began)
    print(json.dumps({"us": 1e6 * statistics.median(times), "version": onnxruntime.__version__}))


def last_json(command):
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}: {done.stderr.strip()[-800:]}")
    return json.loads(lines[-1])


def median_text(values, form=",.0f"):
    median = statistics.median(values)
    spread = (max(values) - min(values)) / median / 2 if len(values) > 1 else 0
    return f"{median:{form}} ±{100 * spread:.0f}%"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=sys.executable, help="a Python interpreter with onnxruntime")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kernels", help="instruction set of rnn-dist")
    parser.add_argument("--program", default=str(HERE.parent / ".build/release/rnn-dist"))
    parser.add_argument("--serve", nargs=4, type=int, metavar=("LAYERS", "UNITS", "STEPS", "THREADS"))
    settings = parser.parse_args()
    if settings.serve:
        serve(*settings.serve)
        return
    cores = len(os.sched_getaffinity(0))
    print("| LSTM layers, steps | fp32 | int8 | ONNX Runtime | ratio fp32 | ratio int8 |\n|---|---|---|---|---|---|")
    for layers, units in SHAPES:
        for steps in STEPS:
            own = {"fp32": [], "int8": []}
            other = []
            for _ in range(settings.rounds):
                for precision, times in own.items():
                    command = [settings.program, "bench", "latency", "--json", "--precision", precision, "--layers", str(layers),
                               "--hidden", str(units), "--steps", str(steps)]
                    command += ["--kernels", settings.kernels] if settings.kernels else []
                    times.append(min(last_json([*command, "--threads", str(threads)])["us"] for threads in sorted({1, cores})))
                other.append(min(
                    last_json([settings.peer, __file__, "--serve", *map(str, (layers, units, steps, threads))])["us"]
                    for threads in sorted({1, cores})))
            ratios = [median_text([a / b for a, b in zip(times, other)], ".2f") for times in own.values()]
            print(f"| {layers}x{units}, T={steps} | {median_text(own['fp32'])} | {median_text(own['int8'])} | "
                  f"{median_text(other)} | {' | '.join(ratios)} |", flush=True)


main()
