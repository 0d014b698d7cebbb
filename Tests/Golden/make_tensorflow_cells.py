#!/usr/bin/env python3
"""Writes the golden values of TensorFlow's basic cells: files `tensorflow-*` of this folder.

    python make_tensorflow_cells.py [FOLDER]

TensorFlow 1 is long gone; what its BasicRNNCell and BasicLSTMCell compute is worked out here with numpy from the last
lines of their `call` methods, which the seed text prints: one kernel for [inputs, state], gates i j f o.
"""

import numpy as np
import torch

from make_golden import Draw, run, write

BATCH, STEPS, INPUT, UNITS = 3, 4, 3, 5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def basic_rnn(inputs, state, kernel, bias):
    output = np.tanh(np.concatenate([inputs, state["h"]], axis=1) @ kernel + bias)
    return output, {"h": output}


def basic_lstm(inputs, state, kernel, bias, forget_bias):
    i, j, f, o = np.split(np.concatenate([inputs, state["h"]], axis=1) @ kernel + bias, 4, axis=1)
    new_c = state["c"] * sigmoid(f + forget_bias) + sigmoid(i) * np.tanh(j)
    new_h = np.tanh(new_c) * sigmoid(o)
    return new_h, {"c": new_c, "h": new_h}


def case(folder, name, step, width, states, metadata):
    draw = Draw(name)
    kernel = draw.uniform(INPUT + UNITS, width, bound=0.5).numpy()
    bias = draw.uniform(width, bound=0.5).numpy()
    inputs = draw.uniform(BATCH, STEPS, INPUT).numpy()
    state = {key: draw.uniform(BATCH, UNITS).numpy() for key in states}
    tensors = {f"initial.{key}": value for key, value in state.items()}
    outputs = []
    for t in range(STEPS):
        output, state = step(inputs[:, t], state, kernel, bias)
        outputs.append(output)
    tensors |= {f"final.{key}": value for key, value in state.items()}
    tensors |= {"kernel": kernel, "bias": bias, "inputs": inputs, "outputs": np.stack(outputs, axis=1)}
    write(folder, name, {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in tensors.items()},
          {"family": "tensorflow", "input_size": INPUT, "hidden_size": UNITS, "batch": BATCH, "steps": STEPS, **metadata})


def make_cells(folder):
    case(folder, "tensorflow-basic-rnn", basic_rnn, UNITS, ["h"], {"cell": "rnn"})
    for forget_bias in (1.0, 0.0):
        name = "tensorflow-basic-lstm" + ("" if forget_bias else "-forget-bias-0")
        case(folder, name, lambda *a, b=forget_bias: basic_lstm(*a, forget_bias=b), 4 * UNITS, ["c", "h"],
             {"cell": "lstm", "forget_bias": forget_bias})


if __name__ == "__main__":
    run(make_cells)
