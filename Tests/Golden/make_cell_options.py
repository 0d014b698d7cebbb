#!/usr/bin/env python3
"""Writes the golden values of the options of cells and networks: files `option-*` of this folder.

    python make_cell_options.py [FOLDER]

A projection and stacked layers are PyTorch's own. What PyTorch does not have is worked out here from the published
equations, one step of a cell after the other, and differentiated by PyTorch; the same code without its options has to
agree with PyTorch's layer, so that only the options rest on our reading. README.md lists the cases.
"""

import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from make_golden import (BATCH, HIDDEN, INPUT, LENGTHS, STEPS, Draw, draw_initial, layer_tensors, require_equal,
                         run_packed, run_steps, weighted_loss, write)

PROJECTION = 2


class Cell(nn.Module):
    """The parameters of one cell, by the names the Swift package gives them."""

    def __init__(self, gates, hidden=HIDDEN, inputs=INPUT, state=None, projection=None, peepholes=0, norm=False,
                 cell_norm=False, suffix="_l0"):
        super().__init__()
        self.suffix, self.hidden = suffix, hidden
        state = projection or hidden
        self.add("weight_ih", gates * hidden, inputs)
        self.add("weight_hh", gates * hidden, state)
        self.add("bias_ih", gates * hidden)
        self.add("bias_hh", gates * hidden)
        if projection:
            self.add("weight_hr", projection, hidden)
        if peepholes:
            self.add("peephole", peepholes, hidden)
        if norm:
            self.add("norm_ih", gates * hidden)
            self.add("norm_hh", gates * hidden)
        if cell_norm:
            self.add("norm_c", hidden)
            self.add("norm_c_bias", hidden)
        self.double()

    def add(self, name, *shape):
        self.register_parameter(name + self.suffix, nn.Parameter(torch.zeros(*shape)))

    def __getitem__(self, name):
        return getattr(self, name + self.suffix, None)


def normalized(values, gain, blocks):
    """Ba et al. 2016, equation 4 without its shift, block by block."""
    parts, first = [], 0
    for size in blocks:
        block = slice(first, first + size)
        parts.append(F.layer_norm(values[:, block], (size,), weight=gain[block], eps=1e-5))
        first += size
    return torch.cat(parts, dim=1)


def lstm_step(m, x, h, c, coupled=False, forget_bias=0.0, cell_clip=None, projection_clip=None):
    """LSTM of TensorFlow's LSTMCell with its options, of Greff et al. 2017 (coupled gates), of Ba et al. 2016."""
    a, b = F.linear(x, m["weight_ih"]), F.linear(h, m["weight_hh"])
    if m["norm_ih"] is not None:
        a = normalized(a, m["norm_ih"], [a.shape[1]])
        b = normalized(b, m["norm_hh"], [b.shape[1]])
    gates = (a + m["bias_ih"] + b + m["bias_hh"]).chunk(3 if coupled else 4, dim=1)
    i, (f, g, o) = (None, gates) if coupled else (gates[0], gates[1:])
    peephole = m["peephole"]
    if peephole is not None:
        i = None if coupled else i + peephole[0] * c
        f = f + peephole[-2] * c
    f = torch.sigmoid(f + forget_bias)
    i = 1 - f if coupled else torch.sigmoid(i)
    c = f * c + i * torch.tanh(g)
    if cell_clip:
        c = c.clamp(-cell_clip, cell_clip)
    if peephole is not None:
        o = o + peephole[-1] * c
    seen = c
    if m["norm_c"] is not None:
        seen = F.layer_norm(c, (c.shape[1],), weight=m["norm_c"], bias=m["norm_c_bias"], eps=1e-5)
    h = torch.sigmoid(o) * torch.tanh(seen)
    if m["weight_hr"] is not None:
        h = F.linear(h, m["weight_hr"])
    if projection_clip:
        h = h.clamp(-projection_clip, projection_clip)
    return h, c


def gru_step(m, x, h):
    """GRU with the reset gate after the product; normalized as in the supplement of Ba et al. 2016."""
    a, b = F.linear(x, m["weight_ih"]), F.linear(h, m["weight_hh"])
    if m["norm_ih"] is not None:
        blocks = [2 * m.hidden, m.hidden]
        a, b = normalized(a, m["norm_ih"], blocks), normalized(b, m["norm_hh"], blocks)
    x_r, x_z, x_n = (a + m["bias_ih"]).chunk(3, dim=1)
    h_r, h_z, h_n = (b + m["bias_hh"]).chunk(3, dim=1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    return ((1 - z) * torch.tanh(x_n + r * h_n) + z * h,)


def rnn_step(m, x, h):
    return (torch.tanh(F.linear(x, m["weight_ih"], m["bias_ih"]) + F.linear(h, m["weight_hh"], m["bias_hh"])),)


def zoned_out(step, rates):
    """Krueger et al. 2016, section 3.2: when evaluating, a state is the mean over the random masks."""
    def stepped(m, x, *states):
        return tuple(rate * old + (1 - rate) * new
                     for rate, old, new in zip(rates, states, step(m, x, *states), strict=True))
    return stepped


def metadata(cell, **options):
    values = {"family": "option", "cell": cell, "input_size": INPUT, "hidden_size": HIDDEN, "layers": 1,
              "bidirectional": "false", "steps": STEPS, "batch": BATCH}
    if cell == "rnn":
        values["nonlinearity"] = "tanh"
    return values | {key: str(value).lower() if isinstance(value, bool) else value for key, value in options.items()}


def initial_states(draw, cell, width):
    """h [1, B, P] and, for an LSTM, c [1, B, H]."""
    initial = {"h": draw.variable(1, BATCH, width)}
    return initial | ({"c": draw.variable(1, BATCH, HIDDEN)} if cell == "lstm" else {})


def option_case(folder, name, cell, step, parameters, **options):
    draw = Draw(name)
    module = draw.fill(Cell(**parameters))
    inputs = draw.variable(STEPS, BATCH, INPUT)
    lengths = torch.tensor(LENGTHS)
    initial = initial_states(draw, cell, parameters.get("projection") or HIDDEN)
    tensors = layer_tensors(draw, module, partial(run_steps, partial(step, module)), inputs, lengths, initial)
    write(folder, name, tensors, metadata(cell, **options))


def check_plain_steps():
    """The steps without options are PyTorch's layers."""
    layers = {"lstm": (nn.LSTM, lstm_step, 4), "gru": (nn.GRU, gru_step, 3), "rnn": (nn.RNN, rnn_step, 1)}
    for cell, (layer, step, gates) in layers.items():
        for projection in [None, PROJECTION] if cell == "lstm" else [None]:
            draw = Draw("plain-" + cell)
            module = draw.fill(layer(INPUT, HIDDEN, **({"proj_size": projection} if projection else {})).double())
            mine = Cell(gates, projection=projection)
            mine.load_state_dict(module.state_dict())
            inputs, lengths = draw.uniform(STEPS, BATCH, INPUT), torch.tensor(LENGTHS)
            initial = initial_states(draw, cell, projection or HIDDEN)
            require_equal(run_steps(partial(step, mine), inputs, lengths, initial),
                          run_packed(module, cell, inputs, lengths, initial), cell)


def make_lstm_options(folder):
    option_case(folder, "option-lstm-peepholes", "lstm", partial(lstm_step, forget_bias=1.0),
                {"gates": 4, "peepholes": 3}, peepholes=True, forget_bias=1)
    option_case(folder, "option-lstm-cell-clip", "lstm", partial(lstm_step, cell_clip=0.3),
                {"gates": 4}, cell_clip=0.3)
    option_case(folder, "option-lstm-coupled", "lstm", partial(lstm_step, coupled=True), {"gates": 3},
                coupled_gates=True)
    option_case(folder, "option-lstm-projection-clip", "lstm", partial(lstm_step, projection_clip=0.1),
                {"gates": 4, "projection": PROJECTION}, projection_size=PROJECTION, projection_clip=0.1)
    option_case(folder, "option-lstm-layer-norm", "lstm", partial(lstm_step, forget_bias=1.0),
                {"gates": 4, "norm": True, "cell_norm": True}, layer_norm=True, forget_bias=1)
    everything = {"coupled": True, "cell_clip": 0.4, "projection_clip": 0.15}
    option_case(folder, "option-lstm-everything", "lstm", zoned_out(partial(lstm_step, **everything), [0.2, 0.35]),
                {"gates": 3, "projection": PROJECTION, "peepholes": 2, "norm": True, "cell_norm": True},
                coupled_gates=True, cell_clip=0.4, projection_clip=0.15, projection_size=PROJECTION, peepholes=True,
                layer_norm=True, zoneout_hidden=0.2, zoneout_cell=0.35)
    option_case(folder, "option-lstm-zoneout", "lstm", zoned_out(lstm_step, [0.15, 0.4]), {"gates": 4},
                zoneout_hidden=0.15, zoneout_cell=0.4)


def make_other_options(folder):
    option_case(folder, "option-gru-layer-norm", "gru", gru_step, {"gates": 3, "norm": True}, layer_norm=True)
    option_case(folder, "option-gru-zoneout", "gru", zoned_out(gru_step, [0.3]), {"gates": 3}, zoneout_hidden=0.3)
    option_case(folder, "option-rnn-zoneout", "rnn", zoned_out(rnn_step, [0.3]), {"gates": 1}, zoneout_hidden=0.3)


# --------------------------------------------------------------------------------------------------
# PyTorch's projection, and connections around PyTorch's layers


def make_projection(folder):
    """torch.nn.LSTM(proj_size), two layers in two directions; its states have different widths."""
    name = "option-lstm-projection"
    draw = Draw(name)
    module = draw.fill(nn.LSTM(INPUT, HIDDEN, 2, bidirectional=True, proj_size=PROJECTION).double())
    inputs, lengths = draw.variable(STEPS, BATCH, INPUT), torch.tensor(LENGTHS)
    initial = {"h": draw.variable(4, BATCH, PROJECTION), "c": draw.variable(4, BATCH, HIDDEN)}
    tensors = layer_tensors(draw, module, partial(run_packed, module, "lstm"), inputs, lengths, initial)
    write(folder, name, tensors, metadata("lstm", projection_size=PROJECTION, layers=2, bidirectional=True))


class Connected(nn.Module):
    """Layers of torch.nn with residual (Wu et al. 2016, eq. 4) or highway connections (Srivastava et al. 2015, eq. 3)
    from the second layer on; no dropout."""

    def __init__(self, layer, connection, layers, bidirectional):
        super().__init__()
        width = HIDDEN * (2 if bidirectional else 1)
        self.connection = connection
        self.rnns = [layer(INPUT if k == 0 else width, HIDDEN, bidirectional=bidirectional).double()
                     for k in range(layers)]
        for k, rnn in enumerate(self.rnns):
            for name, parameter in rnn.named_parameters():
                self.register_parameter(name.replace("_l0", f"_l{k}"), parameter)
            if k > 0 and connection == "highway":
                weight = nn.Parameter(torch.zeros(width, width, dtype=torch.float64))
                self.register_parameter(f"highway_weight_l{k}", weight)
                self.register_parameter(f"highway_bias_l{k}",
                                        nn.Parameter(torch.zeros(width, dtype=torch.float64)))

    def run(self, cell, inputs, lengths, initial):
        x, finals = inputs, []
        directions = next(iter(initial.values())).shape[0] // len(self.rnns)
        for k, rnn in enumerate(self.rnns):
            part = {key: state[k * directions:(k + 1) * directions] for key, state in initial.items()}
            y, final = run_packed(rnn, cell, x, lengths, part)
            finals.append(final)
            if k > 0 and self.connection == "residual":
                y = y + x
            elif k > 0:
                gate = torch.sigmoid(F.linear(x, getattr(self, f"highway_weight_l{k}"),
                                              getattr(self, f"highway_bias_l{k}")))
                y = gate * y + (1 - gate) * x
            x = y
        running = (torch.arange(STEPS).unsqueeze(1) < lengths).unsqueeze(2)
        return x * running, {key: torch.cat([final[key] for final in finals]) for key in finals[0]}


def make_connections(folder):
    for connection, (cell, layer), layers, bidirectional in [
        ("residual", ("lstm", nn.LSTM), 3, False), ("residual", ("gru", nn.GRU), 2, True),
        ("highway", ("gru", nn.GRU), 3, False), ("highway", ("lstm", nn.LSTM), 2, True),
    ]:
        name = f"option-{cell}-{connection}"
        draw = Draw(name)
        module = draw.fill(Connected(layer, connection, layers, bidirectional))
        inputs, lengths = draw.variable(STEPS, BATCH, INPUT), torch.tensor(LENGTHS)
        initial = draw_initial(draw, cell, layers * (2 if bidirectional else 1), BATCH, HIDDEN)
        tensors = layer_tensors(draw, module, partial(module.run, cell), inputs, lengths, initial)
        write(folder, name, tensors,
              metadata(cell, connection=connection, layers=layers, bidirectional=bidirectional))


# --------------------------------------------------------------------------------------------------
# Pyramidal encoder


def halved(x, lengths):
    """Pairs of successive steps joined; an odd last step is joined with zeros (Chan et al. 2016, equation 5)."""
    steps = (x.shape[0] + 1) // 2
    running = (torch.arange(x.shape[0]).unsqueeze(1) < lengths).unsqueeze(2)
    x = torch.cat([x * running, torch.zeros(2 * steps - x.shape[0], *x.shape[1:], dtype=x.dtype)])
    return x.reshape(steps, 2, *x.shape[1:]).transpose(1, 2).reshape(steps, x.shape[1], -1), (lengths + 1) // 2


def run_pyramid(module, inputs, lengths, initial):
    x, finals = inputs, []
    for k, rnn in enumerate(module):
        if k > 0:
            x, lengths = halved(x, lengths)
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        y, (h, c) = rnn(packed, (initial["h"][2 * k:2 * k + 2], initial["c"][2 * k:2 * k + 2]))
        x, _ = pad_packed_sequence(y, total_length=x.shape[0])
        finals.append((h, c))
    return x, {"h": torch.cat([h for h, _ in finals]), "c": torch.cat([c for _, c in finals])}


def make_pyramid(folder):
    name = "option-pyramid"
    draw = Draw(name)
    module = nn.ModuleList(
        [nn.LSTM(INPUT if k == 0 else 4 * HIDDEN, HIDDEN, bidirectional=True).double() for k in range(3)])
    draw.fill(module)
    inputs, lengths = draw.variable(STEPS, BATCH, INPUT), torch.tensor(LENGTHS)
    initial = draw_initial(draw, "lstm", 6, BATCH, HIDDEN)
    output, final = run_pyramid(module, inputs, lengths, initial)
    loss, tensors = weighted_loss(draw, output, final)
    loss.backward()
    for key, parameter in module.named_parameters():
        layer, key = key.split(".", 1)
        key = key.replace("_l0", f"_l{layer}")
        tensors |= {f"parameter.{key}": parameter, f"gradient.{key}": parameter.grad}
    tensors |= {"input": inputs, "gradient.input": inputs.grad, "lengths": lengths}
    for key, state in initial.items():
        tensors |= {f"initial.{key}": state, f"gradient.initial.{key}": state.grad}
    write(folder, name, tensors, metadata("lstm", layers=3, bidirectional=True))


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    check_plain_steps()
    make_lstm_options(folder)
    make_other_options(folder)
    make_projection(folder)
    make_connections(folder)
    make_pyramid(folder)


if __name__ == "__main__":
    main()
