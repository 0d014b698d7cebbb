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
        values = torch.rand(*shape, generator=self.generator, dtype=torch.float64)
        return (2 * values - 1) * bound

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
    header = {"__metadata__": {key: str(value) for key, value in sorted(metadata.items())}}
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


# --------------------------------------------------------------------------------------------------
# Recurrent layers over a padded batch


def weighted_loss(draw, output, final):
    """The loss sum(output * weight.output) + sum(final.s * weight.s) over the states s, and its tensors.

    The weights of the padding are not zero: the outputs there are constant and must send no gradient back.
    """
    tensors = {"output": output, "weight.output": draw.uniform(*output.shape)}
    loss = (output * tensors["weight.output"]).sum()
    for key, state in final.items():
        tensors[f"final.{key}"] = state
        tensors[f"weight.{key}"] = draw.uniform(*state.shape)
        loss = loss + (state * tensors[f"weight.{key}"]).sum()
    tensors["loss"] = scalar(loss)
    return loss, tensors


def draw_initial(draw, cell, *shape):
    return {key: draw.variable(*shape) for key in (["h", "c"] if cell == "lstm" else ["h"])}


def run_packed(module, cell, inputs, lengths, initial):
    """(output, final states by name) of a PyTorch layer; the output is zero past each length."""
    states = tuple(initial.values())
    state = None if not states else states if cell == "lstm" else states[0]
    packed = pack_padded_sequence(inputs, lengths, enforce_sorted=False)
    output, final = module(packed, state)
    output, _ = pad_packed_sequence(output, total_length=inputs.shape[0])
    return output, dict(zip("hc", final)) if cell == "lstm" else {"h": final}


def layer_tensors(draw, module, run, inputs, lengths, initial):
    """Runs a layer forward and backward and collects every tensor of the case."""
    output, final = run(inputs, lengths, initial)
    loss, tensors = weighted_loss(draw, output, final)
    loss.backward()
    tensors |= parameters_and_gradients(module)
    tensors |= {"input": inputs, "gradient.input": inputs.grad, "lengths": lengths}
    for key, state in initial.items():
        tensors |= {f"initial.{key}": state, f"gradient.initial.{key}": state.grad}
    return tensors


def layer_case(folder, case, cell, options, shape, layers, bidirectional, ragged, explicit):
    name = f"layer-{case}-{shape}"
    draw = Draw(name)
    module = LAYER_MODULES[cell](INPUT, HIDDEN, layers, bidirectional=bidirectional, **options).double()
    draw.fill(module)
    inputs = draw.variable(STEPS, BATCH, INPUT)  # random in the padding too: it must not be read
    lengths = torch.tensor(LENGTHS if ragged else [STEPS] * BATCH)
    directions = 2 if bidirectional else 1
    initial = draw_initial(draw, cell, layers * directions, BATCH, HIDDEN) if explicit else {}
    tensors = layer_tensors(draw, module, partial(run_packed, module, cell), inputs, lengths, initial)
    write(folder, name, tensors, {
        "family": "layer", "cell": cell, "input_size": INPUT, "hidden_size": HIDDEN, "layers": layers,
        "bidirectional": str(bidirectional).lower(), "steps": STEPS, "batch": BATCH,
        "initial_state": "explicit" if explicit else "default", **options,
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
        for shape, settings in shapes.items():
            layer_case(folder, case, cell, options, shape, *settings)


# --------------------------------------------------------------------------------------------------
# Forms that TensorFlow has and PyTorch has not, worked out from their equations


def lstm_step(module, x, h, c, forget_bias):
    """One LSTM step (i f g o); `forget_bias` is added when the cell runs, it is not part of a parameter."""
    i, f, g, o = (F.linear(x, module.weight_ih_l0, module.bias_ih_l0)
                  + F.linear(h, module.weight_hh_l0, module.bias_hh_l0)).chunk(4, dim=1)
    c = torch.sigmoid(f + forget_bias) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(module, x, h, reset):
    """One GRU step (r z n); the reset gate multiplies h before the product with W_hn or, as in PyTorch,
    the product itself."""
    x_r, x_z, x_n = F.linear(x, module.weight_ih_l0, module.bias_ih_l0).chunk(3, dim=1)
    h_r, h_z, h_n = F.linear(h, module.weight_hh_l0, module.bias_hh_l0).chunk(3, dim=1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    if reset == "before":
        new = slice(2 * HIDDEN, 3 * HIDDEN)
        n = torch.tanh(x_n + F.linear(r * h, module.weight_hh_l0[new], module.bias_hh_l0[new]))
    else:
        n = torch.tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,)


def run_steps(step, inputs, lengths, initial):
    """Unrolls `step` over time: past its length a sequence keeps its state and its output is zero."""
    states = {key: state[0] for key, state in initial.items()}
    outputs = []
    for t in range(inputs.shape[0]):
        active = (t < lengths).unsqueeze(1)
        stepped = dict(zip(states, step(inputs[t], *states.values())))
        outputs.append(torch.where(active, stepped["h"], torch.zeros_like(stepped["h"])))
        states = {key: torch.where(active, stepped[key], states[key]) for key in states}
    return torch.stack(outputs), {key: state.unsqueeze(0) for key, state in states.items()}


def require_equal(mine, theirs, what):
    for a, b in zip((mine[0], *mine[1].values()), (theirs[0], *theirs[1].values()), strict=True):
        if not torch.allclose(a, b, rtol=1e-13, atol=1e-13):
            raise SystemExit(f"{what}: differs by {(a - b).abs().max().item():.3e} from PyTorch's own layer")


def tensorflow_case(folder, name, cell, option, step, plain):
    """`step(module, x, *states)` is the form wanted; `plain` is the same code without its option.

    `plain` has to agree with PyTorch's own layer, so that only the option itself rests on our reading.
    """
    draw = Draw(name)
    module = draw.fill(LAYER_MODULES[cell](INPUT, HIDDEN).double())
    inputs = draw.variable(STEPS, BATCH, INPUT)
    lengths = torch.tensor(LENGTHS)
    initial = draw_initial(draw, cell, 1, BATCH, HIDDEN)
    require_equal(run_steps(partial(plain, module), inputs, lengths, initial),
                  run_packed(module, cell, inputs, lengths, initial), name)
    run = partial(run_steps, partial(step, module))
    tensors = layer_tensors(draw, module, run, inputs, lengths, initial)
    write(folder, name, tensors, {
        "family": "layer", "cell": cell, "input_size": INPUT, "hidden_size": HIDDEN, "layers": 1,
        "bidirectional": "false", "steps": STEPS, "batch": BATCH, "initial_state": "explicit", **option,
    })


def make_tensorflow_forms(folder):
    tensorflow_case(folder, "layer-lstm-forget-bias", "lstm", {"forget_bias": "1"},
                    partial(lstm_step, forget_bias=1.0), partial(lstm_step, forget_bias=0.0))
    tensorflow_case(folder, "layer-gru-reset-before", "gru", {"reset": "before"},
                    partial(gru_step, reset="before"), partial(gru_step, reset="after"))


# --------------------------------------------------------------------------------------------------
# minGRU, which PyTorch does not have, worked out from the equations of its paper


class MinGRU(nn.Module):
    """Feng et al. 2024, "Were RNNs All We Needed?", arXiv:2410.01201: the form that they compute in log space."""

    def __init__(self, suffix=""):
        super().__init__()
        self.names = [f"weight_ih{suffix}", f"bias_ih{suffix}"]
        for name, shape in zip(self.names, [(2 * HIDDEN, INPUT), (2 * HIDDEN,)]):
            setattr(self, name, nn.Parameter(torch.zeros(*shape, dtype=torch.float64)))

    def project(self, x):
        return F.linear(x, *(getattr(self, name) for name in self.names)).chunk(2, dim=-1)

    def forward(self, x, h):
        k, candidate = self.project(x)
        z = torch.sigmoid(k)
        g = torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))
        return ((1 - z) * h + z * g,)

    def scan(self, inputs, h):
        """All steps at once, as in appendix B of the paper: h must be positive."""
        k, candidate = self.project(inputs)
        log_g = torch.where(candidate >= 0, (F.relu(candidate) + 0.5).log(), -F.softplus(-candidate))
        values = torch.cat([h.log().unsqueeze(0), log_g - F.softplus(-k)])
        a = F.pad(torch.cumsum(-F.softplus(k), dim=0), (0, 0, 0, 0, 1, 0))
        return torch.exp(a + torch.logcumsumexp(values - a, dim=0))[1:]


def make_mingru(folder):
    name = "cell-mingru"
    draw = Draw(name)
    module = draw.fill(MinGRU())
    inputs, initial = draw.variable(BATCH, INPUT), draw_initial(draw, "mingru", BATCH, HIDDEN)
    loss, tensors = weighted_loss(draw, module(inputs, initial["h"])[0], {})
    loss.backward()
    tensors |= parameters_and_gradients(module)
    tensors |= {"input": inputs, "gradient.input": inputs.grad}
    tensors |= {"initial.h": initial["h"], "gradient.initial.h": initial["h"].grad}
    write(folder, name, tensors, {
        "family": "cell", "cell": "mingru", "input_size": INPUT, "hidden_size": HIDDEN, "batch": BATCH,
    })

    name = "layer-mingru-l1-ragged"
    draw = Draw(name)
    module = draw.fill(MinGRU("_l0"))
    inputs, initial = draw.variable(STEPS, BATCH, INPUT), draw_initial(draw, "mingru", 1, BATCH, HIDDEN)
    with torch.no_grad():
        positive = {"h": initial["h"].abs() + 0.1}
        output, final = run_steps(module, inputs, torch.tensor([STEPS] * BATCH), positive)
        scanned = module.scan(inputs, positive["h"][0])
        require_equal((output, final), (scanned, {"h": scanned[-1:]}), f"{name}, the scan in log space")
    tensors = layer_tensors(draw, module, partial(run_steps, module), inputs, torch.tensor(LENGTHS), initial)
    write(folder, name, tensors, {
        "family": "layer", "cell": "mingru", "input_size": INPUT, "hidden_size": HIDDEN, "layers": 1,
        "bidirectional": "false", "steps": STEPS, "batch": BATCH, "initial_state": "explicit",
    })


# --------------------------------------------------------------------------------------------------
# One step of one cell


def make_cells(folder):
    for case, (cell, options) in CELLS.items():
        name = f"cell-{case}"
        draw = Draw(name)
        module = draw.fill(CELL_MODULES[cell](INPUT, HIDDEN, **options).double())
        inputs = draw.variable(BATCH, INPUT)
        initial = draw_initial(draw, cell, BATCH, HIDDEN)
        result = module(inputs, tuple(initial.values()) if cell == "lstm" else initial["h"])
        output, final = (result[0], {"c": result[1]}) if cell == "lstm" else (result, {})
        loss, tensors = weighted_loss(draw, output, final)
        loss.backward()
        tensors |= parameters_and_gradients(module)
        tensors |= {"input": inputs, "gradient.input": inputs.grad}
        for key, state in initial.items():
            tensors |= {f"initial.{key}": state, f"gradient.initial.{key}": state.grad}
        write(folder, name, tensors, {
            "family": "cell", "cell": cell, "input_size": INPUT, "hidden_size": HIDDEN, "batch": BATCH,
            **options,
        })


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
        module = draw.fill(nn.Linear(INPUT, HIDDEN).double())
        inputs = draw.variable(BATCH, INPUT, bound=3.0)
        loss, tensors = weighted_loss(draw, function(module(inputs)), {})
        loss.backward()
        tensors |= parameters_and_gradients(module)
        tensors |= {"input": inputs, "gradient.input": inputs.grad}
        write(folder, name, tensors, {
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
        self.double()

    def forward(self, tokens, state):
        hidden, state = self.rnn(self.embedding(tokens), state)
        return self.output(hidden), state


def language_metadata(cell, embedding_size, tied=False):
    return {
        "cell": cell, **({"nonlinearity": "tanh"} if cell == "rnn" else {}), "layers": LM_LAYERS,
        "vocabulary_size": VOCABULARY, "embedding_size": embedding_size,
        "hidden_size": HIDDEN, "tie_embeddings": str(tied).lower(), "steps": LM_STEPS, "batch": LM_BATCH,
    }


def draw_chunks(draw, count):
    """(tokens, targets), each [count, T, B]: consecutive chunks of B streams, a target is the token after."""
    stream = draw.integers(count * LM_STEPS + 1, LM_BATCH, below=VOCABULARY)
    return tuple(s.reshape(count, LM_STEPS, LM_BATCH) for s in (stream[:-1], stream[1:]))


def detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def named_states(state):
    return dict(zip("hc", state)) if isinstance(state, tuple) else {"h": state}


def summed_loss(logits, targets):
    return F.cross_entropy(logits.reshape(-1, VOCABULARY), targets.reshape(-1), reduction="sum")


def language_model_case(folder, name, cell, embedding_size, tied):
    draw = Draw(name)
    model = draw.fill(LanguageModel(cell, embedding_size, tied))
    tokens, targets = draw_chunks(draw, 2)
    tensors = {f"parameter.{key}": value for key, value in model.named_parameters()}
    state = None
    for k in range(2):
        model.zero_grad()
        logits, state = model(tokens[k], state)
        loss = summed_loss(logits, targets[k])
        loss.backward()
        state = detached(state)
        chunk = {"tokens": tokens[k], "targets": targets[k], "logits": logits, "loss": scalar(loss)}
        chunk |= {f"gradient.{key}": value.grad for key, value in model.named_parameters()}
        chunk |= {f"final.{key}": value for key, value in named_states(state).items()}
        tensors |= {f"chunk{k}.{key}": value.clone() for key, value in chunk.items()}
    write(folder, name, tensors, {
        "family": "language-model", "chunks": 2, **language_metadata(cell, embedding_size, tied),
    })


ADAPTIVE_HIDDEN, CUTOFFS, FACTOR = 8, [3, 7], 2.0


class AdaptiveLanguageModel(nn.Module):
    """The same with an adaptive softmax, two clusters behind a shortlist of three tokens."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 3)
        self.rnn = nn.LSTM(3, ADAPTIVE_HIDDEN, LM_LAYERS)
        self.output = nn.AdaptiveLogSoftmaxWithLoss(ADAPTIVE_HIDDEN, VOCABULARY, CUTOFFS, div_value=FACTOR)
        self.double()


def adaptive_case(folder):
    name = "language-model-adaptive"
    draw = Draw(name)
    model = draw.fill(AdaptiveLanguageModel())
    tokens, targets = draw_chunks(draw, 2)
    tensors = {f"parameter.{key}": value for key, value in model.named_parameters()}
    state = None
    for k in range(2):
        model.zero_grad()
        hidden, state = model.rnn(model.embedding(tokens[k]), state)
        loss = -model.output(hidden.reshape(-1, ADAPTIVE_HIDDEN), targets[k].reshape(-1)).output.sum()
        loss.backward()
        logits = model.output.log_prob(hidden.reshape(-1, ADAPTIVE_HIDDEN)).detach()
        state = detached(state)
        chunk = {"tokens": tokens[k], "targets": targets[k], "logits": logits, "loss": scalar(loss)}
        chunk |= {f"gradient.{key}": value.grad for key, value in model.named_parameters()}
        chunk |= {f"final.{key}": value for key, value in named_states(state).items()}
        tensors |= {f"chunk{k}.{key}": value.clone() for key, value in chunk.items()}
    write(folder, name, tensors, {
        "family": "language-model", "chunks": 2, **language_metadata("lstm", 3), "hidden_size": ADAPTIVE_HIDDEN,
        "cutoffs": ",".join(map(str, CUTOFFS)), "cluster_factor": FACTOR,
    })


def make_language_models(folder):
    adaptive_case(folder)
    for cell in LAYER_MODULES:
        language_model_case(folder, f"language-model-{cell}", cell, embedding_size=3, tied=False)
    language_model_case(folder, "language-model-lstm-tied", "lstm", embedding_size=HIDDEN, tied=True)


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
    """Optimizer options as metadata: `betas` becomes `beta1` and `beta2`, truth values are as in JSON."""
    flat = {key: value for key, value in options.items() if key != "betas"}
    if "betas" in options:
        flat["beta1"], flat["beta2"] = options["betas"]
    return {key: str(value).lower() if isinstance(value, bool) else value for key, value in flat.items()}


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
        logits, state = model(tokens[k], state)
        loss = summed_loss(logits, targets[k]) / targets[k].numel()
        loss.backward()
        state = detached(state)
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


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    make_cells(folder)
    make_layers(folder)
    make_tensorflow_forms(folder)
    make_mingru(folder)
    make_linear(folder)
    make_language_models(folder)
    make_trajectories(folder)
    make_cross_entropies(folder)


if __name__ == "__main__":
    main()
