#!/usr/bin/env python3
"""Writes the golden values of this folder: what PyTorch computes, for the Swift tests to compare with.

    python make_golden.py [FOLDER]

writes one small safetensors file a case into FOLDER (default: the folder of this script). README.md lists the
cases and the tensors of each. Everything is computed in double precision on one thread, each case from a seed
made of its own name, so that a second run writes the same bytes and a new case changes no old one.

Every loss is a sum of outputs times fixed random weights: a gradient that is wrong, missing or taken from the
wrong place anywhere along the way then changes the stored gradients.
"""

import json
import struct
import sys
import zlib
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.set_default_dtype(torch.float64)

# Odd, and all different where two could be confused with each other.
STEPS, BATCH, INPUT, HIDDEN = 7, 4, 3, 5
LENGTHS = [5, 7, 2, 5]  # not sorted, two equal, the longest fills the batch
CELLS = {  # case name -> (cell, module options)
    "lstm": ("lstm", {}),
    "gru": ("gru", {}),
    "rnn-tanh": ("rnn", {"nonlinearity": "tanh"}),
    "rnn-relu": ("rnn", {"nonlinearity": "relu"}),
}
LAYER_MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
CELL_MODULES = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}


# --------------------------------------------------------------------------------------------------
# Random values and files


class Draw:
    """Random tensors of one case; its seed is the checksum of `key`."""

    def __init__(self, key):
        self.generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))

    def uniform(self, *shape, bound=1.0):
        return (2 * torch.rand(*shape, generator=self.generator) - 1) * bound

    def variable(self, *shape, bound=1.0):
        return self.uniform(*shape, bound=bound).requires_grad_()

    def integers(self, *shape, below):
        return torch.randint(below, shape, generator=self.generator)

    def fill(self, module):
        """Parameters from U(-0.5, 0.5): wide enough that the gates are not all near one half."""
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(self.uniform(*parameter.shape, bound=0.5))
        return module


def write(folder, name, tensors, metadata):
    """Writes one safetensors file.

    The safetensors package keeps the metadata in a hash map, whose order changes from run to run; here the
    header is sorted, so that the same values give the same bytes.
    """
    types = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64"}
    header = {"__metadata__": {key: str(value).lower() if isinstance(value, bool) else str(value)
                               for key, value in sorted(metadata.items())}}
    body = b""
    # The widest elements first keeps every tensor aligned to its own size.
    for key in sorted(tensors, key=lambda key: (-tensors[key].element_size(), key)):
        tensor = tensors[key].detach().contiguous()
        data = tensor.numpy().astype(tensor.numpy().dtype.newbyteorder("<")).tobytes()
        header[key] = {
            "dtype": types[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (folder / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)


def parameters_and_gradients(module):
    """`parameter.NAME` and `gradient.NAME`; a tied parameter appears once, under its first name."""
    tensors = {}
    for name, parameter in module.named_parameters():
        tensors[f"parameter.{name}"] = parameter
        tensors[f"gradient.{name}"] = parameter.grad
    return tensors


def scalar(value):
    return value.detach().reshape(1)


def run(*makers):
    """Lets each of the functions write its cases into the folder that the command line gives."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for make in makers:
        make(folder)


# --------------------------------------------------------------------------------------------------
# Recurrent layers over a padded batch


def backward(draw, module, inputs, initial, output, final):
    """All tensors of a case with the loss sum(output * weight.output) + sum(final.s * weight.s) over the states s.

    The weights of the padding are not zero: the outputs there are constant and must send no gradient back.
    """
    tensors = {"output": output, "weight.output": draw.uniform(*output.shape)}
    loss = (output * tensors["weight.output"]).sum()
    for key, state in final.items():
        tensors[f"final.{key}"] = state
        tensors[f"weight.{key}"] = draw.uniform(*state.shape)
        loss = loss + (state * tensors[f"weight.{key}"]).sum()
    loss.backward()
    tensors |= parameters_and_gradients(module)
    tensors |= {"loss": scalar(loss), "input": inputs, "gradient.input": inputs.grad}
    for key, state in initial.items():
        tensors |= {f"initial.{key}": state, f"gradient.initial.{key}": state.grad}
    return tensors


def run_packed(module, cell, inputs, lengths, initial):
    """(output, final states by name) of a PyTorch layer; the output is zero past each length."""
    states = tuple(initial.values())
    state = None if not states else states if cell == "lstm" else states[0]
    packed = pack_padded_sequence(inputs, lengths, enforce_sorted=False)
    output, final = module(packed, state)
    output, _ = pad_packed_sequence(output, total_length=inputs.shape[0])
    return output, dict(zip("hc", final)) if cell == "lstm" else {"h": final}


def layer_case(folder, name, cell, module, run, widths=(HIDDEN, HIDDEN), states=1, lengths=LENGTHS, **metadata):
    """Writes what `run(inputs, lengths, initial)` computes.

    `widths` are those of the initial h and, of an LSTM, c, which have `states` layers and directions; () if there
    are none.
    """
    draw = Draw(name)
    draw.fill(module)
    inputs = draw.variable(STEPS, BATCH, INPUT)  # random in the padding too: it must not be read
    lengths = torch.tensor(lengths)
    initial = {key: draw.variable(states, BATCH, width)
               for key, width in zip("hc" if cell == "lstm" else "h", widths)}
    tensors = backward(draw, module, inputs, initial, *run(inputs, lengths, initial))
    write(folder, name, tensors | {"lengths": lengths}, {
        "family": "layer", "cell": cell, "input_size": INPUT, "hidden_size": HIDDEN, "layers": 1,
        "bidirectional": False, "steps": STEPS, "batch": BATCH, **metadata,
    })


def make_layers(folder):
    shapes = {  # name -> layers, bidirectional, ragged, explicit initial state
        "l1-full": (1, False, False, False),
        "l1-ragged": (1, False, True, True),
        "l2-ragged": (2, False, True, True),
        "l1-bidirectional-ragged": (1, True, True, True),
        "l2-bidirectional-ragged": (2, True, True, False),
    }
    for case, (cell, options) in CELLS.items():
        for shape, (layers, bidirectional, ragged, explicit) in shapes.items():
            module = LAYER_MODULES[cell](INPUT, HIDDEN, layers, bidirectional=bidirectional, **options)
            layer_case(
                folder, f"layer-{case}-{shape}", cell, module, partial(run_packed, module, cell),
                widths=(HIDDEN, HIDDEN) if explicit else (), states=layers * (2 if bidirectional else 1),
                lengths=LENGTHS if ragged else [STEPS] * BATCH, layers=layers, bidirectional=bidirectional,
                initial_state="explicit" if explicit else "default", **options)


# --------------------------------------------------------------------------------------------------
# One step of one cell


def cell_case(folder, name, cell, module, run, **options):
    """Writes what `run(inputs, *states)` computes: h and, of an LSTM, c."""
    draw = Draw(name)
    draw.fill(module)
    inputs = draw.variable(BATCH, INPUT)
    initial = {key: draw.variable(BATCH, HIDDEN) for key in ("hc" if cell == "lstm" else "h")}
    output, *rest = run(inputs, *initial.values())
    write(folder, name, backward(draw, module, inputs, initial, output, dict(zip("c", rest))), {
        "family": "cell", "cell": cell, "input_size": INPUT, "hidden_size": HIDDEN, "batch": BATCH, **options,
    })


def make_cells(folder):
    for case, (cell, options) in CELLS.items():
        module = CELL_MODULES[cell](INPUT, HIDDEN, **options)
        cell_case(folder, f"cell-{case}", cell, module,
                  lambda x, *states: module(x, states) if len(states) == 2 else (module(x, *states),), **options)


# --------------------------------------------------------------------------------------------------
# Linear layer with an activation


def make_linear(folder):
    activations = {
        "identity": lambda a: a, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu,
        "softmax": lambda a: torch.softmax(a, dim=-1),
    }
    for activation, function in activations.items():
        name = f"linear-{activation}"
        draw = Draw(name)
        module = draw.fill(nn.Linear(INPUT, HIDDEN))
        inputs = draw.variable(BATCH, INPUT, bound=3.0)
        write(folder, name, backward(draw, module, inputs, {}, function(module(inputs)), {}), {
            "family": "linear", "activation": activation, "input_size": INPUT, "output_size": HIDDEN,
            "batch": BATCH,
        })


# --------------------------------------------------------------------------------------------------
# Language model: gradients of two chunks, and whole training runs

VOCABULARY, LM_STEPS, LM_BATCH, LM_LAYERS = 11, 4, 3, 2


class LanguageModel(nn.Module):
    """Embedding, recurrent layers, output projection, with the names a PyTorch user would choose."""

    def __init__(self, cell, embedding_size, tied=False):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, embedding_size)
        self.rnn = LAYER_MODULES[cell](embedding_size, HIDDEN, LM_LAYERS)
        self.output = nn.Linear(HIDDEN, VOCABULARY)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(self, tokens, targets, state):
        """The logits, the summed loss and the state after the chunk."""
        hidden, state = self.rnn(self.embedding(tokens), state)
        logits = self.output(hidden)
        loss = F.cross_entropy(logits.reshape(-1, VOCABULARY), targets.reshape(-1), reduction="sum")
        return logits, loss, tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


ADAPTIVE_HIDDEN, CUTOFFS, FACTOR = 8, [3, 7], 2.0


class AdaptiveLanguageModel(nn.Module):
    """The same with an adaptive softmax, two clusters behind a shortlist of three tokens."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 3)
        self.rnn = nn.LSTM(3, ADAPTIVE_HIDDEN, LM_LAYERS)
        self.output = nn.AdaptiveLogSoftmaxWithLoss(ADAPTIVE_HIDDEN, VOCABULARY, CUTOFFS, div_value=FACTOR)

    def forward(self, tokens, targets, state):
        hidden, state = self.rnn(self.embedding(tokens), state)
        rows = hidden.reshape(-1, ADAPTIVE_HIDDEN)
        loss = -self.output(rows, targets.reshape(-1)).output.sum()
        return self.output.log_prob(rows), loss, tuple(s.detach() for s in state)


def language_metadata(cell, embedding_size, tied=False):
    return {
        "cell": cell, **({"nonlinearity": "tanh"} if cell == "rnn" else {}), "layers": LM_LAYERS,
        "vocabulary_size": VOCABULARY, "embedding_size": embedding_size,
        "hidden_size": HIDDEN, "tie_embeddings": tied, "steps": LM_STEPS, "batch": LM_BATCH,
    }


def draw_chunks(draw, count):
    """(tokens, targets), each [count, T, B]: consecutive chunks of B streams, a target is the token after."""
    stream = draw.integers(count * LM_STEPS + 1, LM_BATCH, below=VOCABULARY)
    return tuple(s.reshape(count, LM_STEPS, LM_BATCH) for s in (stream[:-1], stream[1:]))


def named_states(state):
    return dict(zip("hc", state)) if isinstance(state, tuple) else {"h": state}


def language_model_case(folder, name, model, **metadata):
    draw = Draw(name)
    draw.fill(model)
    tokens, targets = draw_chunks(draw, 2)
    tensors = {f"parameter.{key}": value for key, value in model.named_parameters()}
    state = None
    for k in range(2):
        model.zero_grad()
        logits, loss, state = model(tokens[k], targets[k], state)
        loss.backward()
        chunk = {"tokens": tokens[k], "targets": targets[k], "logits": logits, "loss": scalar(loss)}
        chunk |= {f"gradient.{key}": value.grad for key, value in model.named_parameters()}
        chunk |= {f"final.{key}": value for key, value in named_states(state).items()}
        tensors |= {f"chunk{k}.{key}": value.clone() for key, value in chunk.items()}
    write(folder, name, tensors, {"family": "language-model", "chunks": 2, **metadata})


def make_language_models(folder):
    language_model_case(folder, "language-model-adaptive", AdaptiveLanguageModel(), **language_metadata("lstm", 3) | {
        "hidden_size": ADAPTIVE_HIDDEN, "cutoffs": ",".join(map(str, CUTOFFS)), "cluster_factor": FACTOR,
    })
    for case, *options in [("lstm", "lstm", 3), ("gru", "gru", 3), ("rnn", "rnn", 3),
                           ("lstm-tied", "lstm", HIDDEN, True)]:
        language_model_case(
            folder, f"language-model-{case}", LanguageModel(*options), **language_metadata(*options))


TRAJECTORY_STEPS = 10
ADAM = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}
# Norms before clipping lie between 0.2 and 0.45: a limit of 0.25 acts in some steps only, 1.0 in none.
TRAJECTORIES = {  # case -> (optimizer, its options, clip norm, dtype)
    "sgd": (torch.optim.SGD, {"lr": 0.5}, 1.0, torch.float64),
    "momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, 0.25, torch.float64),
    "nesterov": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, 0.25, torch.float64),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.002, "alpha": 0.95, "eps": 1e-8}, 0.25, torch.float64),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.1, "eps": 1e-10}, 0.25, torch.float64),
    "adam": (torch.optim.Adam, ADAM, 0.25, torch.float64),
    "adamw": (torch.optim.AdamW, {**ADAM, "weight_decay": 0.01}, 0.25, torch.float64),
    "adam-float32": (torch.optim.Adam, ADAM, 0.25, torch.float32),
}


def option_text(options):
    """Optimizer options as metadata: `betas` becomes `beta1` and `beta2`."""
    flat = {key: value for key, value in options.items() if key != "betas"}
    if "betas" in options:
        flat["beta1"], flat["beta2"] = options["betas"]
    return flat


def trajectory_case(folder, case, optimizer_type, options, clip_norm, dtype):
    # The same key for all: every optimizer starts from the same parameters and sees the same tokens.
    draw = Draw("trajectory")
    model = draw.fill(LanguageModel("lstm", 3)).to(dtype)
    tokens, targets = draw_chunks(draw, TRAJECTORY_STEPS)
    optimizer = optimizer_type(model.parameters(), foreach=False, **options)
    tensors = {f"parameter.{key}": value.detach().clone() for key, value in model.named_parameters()}
    losses, norms, state = [], [], None
    for k in range(TRAJECTORY_STEPS):
        optimizer.zero_grad()
        _, loss, state = model(tokens[k], targets[k], state)
        loss = loss / targets[k].numel()
        loss.backward()
        norms.append(scalar(nn.utils.clip_grad_norm_(model.parameters(), clip_norm, foreach=False)))
        losses.append(scalar(loss))
        optimizer.step()
    tensors |= {f"final.parameter.{key}": value for key, value in model.named_parameters()}
    tensors |= {f"final.{key}": value for key, value in named_states(state).items()}
    tensors |= {"tokens": tokens, "targets": targets}
    tensors |= {"loss": torch.cat(losses), "gradient_norm": torch.cat(norms)}
    write(folder, f"trajectory-{case}", tensors, {
        "family": "trajectory", "optimizer": case.removesuffix("-float32"),
        "training_steps": TRAJECTORY_STEPS, "clip_norm": clip_norm,
        **option_text(options), **language_metadata("lstm", 3),
    })


def make_trajectories(folder):
    for case, settings in TRAJECTORIES.items():
        trajectory_case(folder, case, *settings)


# --------------------------------------------------------------------------------------------------
# Softmax cross-entropy


def make_cross_entropies(folder):
    rows = 5
    for classes in (7, 131):
        for smoothing in (0.0, 0.1):
            name = f"cross-entropy-{classes}" + ("-smoothed" if smoothing else "")
            draw = Draw(f"cross-entropy-{classes}")  # smoothed or not, the same logits and targets
            # Multiples of 1/64 are exact in single precision too, even near 800, where exp overflows.
            logits = torch.round(draw.uniform(rows, classes, bound=4.0) * 64) / 64
            logits[1] += 800
            logits[2] -= 800
            logits.requires_grad_()
            targets = draw.integers(rows, below=classes)
            losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
            losses.sum().backward()
            write(folder, name, {
                "logits": logits, "targets": targets, "losses": losses, "gradient.logits": logits.grad,
            }, {"family": "cross-entropy", "classes": classes, "rows": rows, "label_smoothing": smoothing})


if __name__ == "__main__":
    run(make_cells, make_layers, make_linear, make_language_models, make_trajectories, make_cross_entropies)
