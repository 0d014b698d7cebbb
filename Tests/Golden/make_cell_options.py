#!/usr/bin/env python3
"""Writes the golden values of what PyTorch's cells and layers do not have, and of PyTorch's projection: the files
`option-*`, `layer-lstm-forget-bias`, `layer-gru-reset-before`, `layer-mingru-l1-ragged` and `cell-mingru`.

    python make_cell_options.py [FOLDER]

What PyTorch does not have is worked out here from the published equations, one step of a cell after the other, and
differentiated by PyTorch; the same code without its options has to agree with PyTorch's layer, so that only the options
rest on our reading. README.md lists the cases.
"""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from make_golden import BATCH, HIDDEN, INPUT, LENGTHS, STEPS, Draw, cell_case, layer_case, run, run_packed

PROJECTION = 2


class Cell(nn.Module):
    """The parameters of one cell, by the names the Swift package gives them."""

    def __init__(self, gates, recurrent=True, projection=None, peepholes=0, norm=False, cell_norm=False, suffix="_l0"):
        super().__init__()
        self.suffix = suffix
        self.add("weight_ih", gates * HIDDEN, INPUT)
        if recurrent:
            self.add("weight_hh", gates * HIDDEN, projection or HIDDEN)
        self.add("bias_ih", gates * HIDDEN)
        if recurrent:
            self.add("bias_hh", gates * HIDDEN)
        if projection:
            self.add("weight_hr", projection, HIDDEN)
        if peepholes:
            self.add("peephole", peepholes, HIDDEN)
        if norm:
            self.add("norm_ih", gates * HIDDEN)
            self.add("norm_hh", gates * HIDDEN)
        if cell_norm:
            self.add("norm_c", HIDDEN)
            self.add("norm_c_bias", HIDDEN)

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


def gru_step(m, x, h, reset="after"):
    """GRU whose reset gate multiplies the product with W_hn or, before it, h; normalized as in the supplement of Ba et
    al. 2016."""
    a, b = F.linear(x, m["weight_ih"]), F.linear(h, m["weight_hh"])
    if m["norm_ih"] is not None:
        blocks = [2 * HIDDEN, HIDDEN]
        a, b = normalized(a, m["norm_ih"], blocks), normalized(b, m["norm_hh"], blocks)
    x_r, x_z, x_n = (a + m["bias_ih"]).chunk(3, dim=1)
    h_r, h_z, h_n = (b + m["bias_hh"]).chunk(3, dim=1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    h_n = r * h_n if reset == "after" else F.linear(r * h, m["weight_hh"][2 * HIDDEN:], m["bias_hh"][2 * HIDDEN:])
    return ((1 - z) * torch.tanh(x_n + h_n) + z * h,)


def rnn_step(m, x, h):
    return (torch.tanh(F.linear(x, m["weight_ih"], m["bias_ih"]) + F.linear(h, m["weight_hh"], m["bias_hh"])),)


def mingru_step(m, x, h):
    """Feng et al. 2024, "Were RNNs All We Needed?", arXiv:2410.01201: the form that they compute in log space."""
    k, candidate = F.linear(x, m["weight_ih"], m["bias_ih"]).chunk(2, dim=-1)
    z = torch.sigmoid(k)
    g = torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))
    return ((1 - z) * h + z * g,)


def mingru_scan(m, inputs, h):
    """All steps at once, as in appendix B of the paper: h must be positive."""
    k, candidate = F.linear(inputs, m["weight_ih"], m["bias_ih"]).chunk(2, dim=-1)
    log_g = torch.where(candidate >= 0, (F.relu(candidate) + 0.5).log(), -F.softplus(-candidate))
    values = torch.cat([h.log().unsqueeze(0), log_g - F.softplus(-k)])
    a = F.pad(torch.cumsum(-F.softplus(k), dim=0), (0, 0, 0, 0, 1, 0))
    return torch.exp(a + torch.logcumsumexp(values - a, dim=0))[1:]


def zoned_out(step, rates):
    """Krueger et al. 2016, section 3.2: when evaluating, a state is the mean over the random masks."""
    def stepped(m, x, *states):
        return tuple(rate * old + (1 - rate) * new
                     for rate, old, new in zip(rates, states, step(m, x, *states), strict=True))
    return stepped


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


def option_case(folder, name, cell, step, parameters, family="option", **options):
    module = Cell(**parameters)
    if cell == "rnn":
        options["nonlinearity"] = "tanh"
    layer_case(folder, name, cell, module, partial(run_steps, partial(step, module)),
               widths=(parameters.get("projection") or HIDDEN, HIDDEN), family=family, **options)


def check_steps(_):
    """The steps without options are PyTorch's layers, and those of a minGRU are its scan."""
    layers = {"lstm": (nn.LSTM, lstm_step, 4), "gru": (nn.GRU, gru_step, 3), "rnn": (nn.RNN, rnn_step, 1)}
    for cell, (layer, step, gates) in layers.items():
        for projection in [None, PROJECTION] if cell == "lstm" else [None]:
            draw = Draw("plain-" + cell)
            module = draw.fill(layer(INPUT, HIDDEN, **({"proj_size": projection} if projection else {})))
            mine = Cell(gates, projection=projection)
            mine.load_state_dict(module.state_dict())
            inputs, lengths = draw.uniform(STEPS, BATCH, INPUT), torch.tensor(LENGTHS)
            widths = {"h": projection or HIDDEN} | ({"c": HIDDEN} if cell == "lstm" else {})
            initial = {key: draw.uniform(1, BATCH, width) for key, width in widths.items()}
            require_equal(run_steps(partial(step, mine), inputs, lengths, initial),
                          run_packed(module, cell, inputs, lengths, initial), cell)
    draw = Draw("plain-mingru")
    mine = draw.fill(Cell(2, recurrent=False))
    inputs, h = draw.uniform(STEPS, BATCH, INPUT), draw.uniform(1, BATCH, HIDDEN).abs() + 0.1
    scanned = mingru_scan(mine, inputs, h[0])
    require_equal(run_steps(partial(mingru_step, mine), inputs, torch.tensor([STEPS] * BATCH), {"h": h}),
                  (scanned, {"h": scanned[-1:]}), "minGRU")


def make_forms(folder):
    """Forms of TensorFlow, and the minGRU."""
    explicit = {"family": "layer", "initial_state": "explicit"}
    option_case(folder, "layer-lstm-forget-bias", "lstm", partial(lstm_step, forget_bias=1.0), {"gates": 4},
                forget_bias=1, **explicit)
    option_case(folder, "layer-gru-reset-before", "gru", partial(gru_step, reset="before"), {"gates": 3},
                reset="before", **explicit)
    parameters = {"gates": 2, "recurrent": False}
    option_case(folder, "layer-mingru-l1-ragged", "mingru", mingru_step, parameters, **explicit)
    module = Cell(**parameters, suffix="")
    cell_case(folder, "cell-mingru", "mingru", module, partial(mingru_step, module))


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
    module = nn.LSTM(INPUT, HIDDEN, 2, bidirectional=True, proj_size=PROJECTION)
    layer_case(folder, "option-lstm-projection", "lstm", module, partial(run_packed, module, "lstm"),
               widths=(PROJECTION, HIDDEN), states=4, family="option", projection_size=PROJECTION, layers=2,
               bidirectional=True)


def halved(x, lengths):
    """Pairs of successive steps joined; an odd last step is joined with zeros (Chan et al. 2016, equation 5)."""
    steps = (x.shape[0] + 1) // 2
    running = (torch.arange(x.shape[0]).unsqueeze(1) < lengths).unsqueeze(2)
    x = torch.cat([x * running, torch.zeros(2 * steps - x.shape[0], *x.shape[1:])])
    return x.reshape(steps, 2, *x.shape[1:]).transpose(1, 2).reshape(steps, x.shape[1], -1), (lengths + 1) // 2


class Connected(nn.Module):
    """Layers of torch.nn with residual (Wu et al. 2016, eq. 4) or highway connections (Srivastava et al. 2015, eq. 3)
    from the second layer on, or of a pyramid; no dropout."""

    def __init__(self, layer, connection, layers, bidirectional):
        super().__init__()
        width = HIDDEN * (2 if bidirectional else 1)
        self.connection = connection
        inputs = 2 * width if connection == "pyramid" else width
        self.rnns = [layer(INPUT if k == 0 else inputs, HIDDEN, bidirectional=bidirectional) for k in range(layers)]
        for k, rnn in enumerate(self.rnns):
            for name, parameter in rnn.named_parameters():
                self.register_parameter(name.replace("_l0", f"_l{k}"), parameter)
            if k > 0 and connection == "highway":
                self.register_parameter(f"highway_weight_l{k}", nn.Parameter(torch.zeros(width, width)))
                self.register_parameter(f"highway_bias_l{k}", nn.Parameter(torch.zeros(width)))

    def run(self, cell, inputs, lengths, initial):
        x, finals = inputs, []
        directions = next(iter(initial.values())).shape[0] // len(self.rnns)
        for k, rnn in enumerate(self.rnns):
            if k > 0 and self.connection == "pyramid":
                x, lengths = halved(x, lengths)
            part = {key: state[k * directions:(k + 1) * directions] for key, state in initial.items()}
            y, final = run_packed(rnn, cell, x, lengths, part)
            finals.append(final)
            if k > 0 and self.connection == "residual":
                y = y + x
            elif k > 0 and self.connection == "highway":
                gate = torch.sigmoid(F.linear(x, getattr(self, f"highway_weight_l{k}"),
                                              getattr(self, f"highway_bias_l{k}")))
                y = gate * y + (1 - gate) * x
            x = y
        running = (torch.arange(x.shape[0]).unsqueeze(1) < lengths).unsqueeze(2)
        return x * running, {key: torch.cat([final[key] for final in finals]) for key in finals[0]}


def make_connections(folder):
    for connection, (cell, layer), layers, bidirectional in [
        ("residual", ("lstm", nn.LSTM), 3, False), ("residual", ("gru", nn.GRU), 2, True),
        ("highway", ("gru", nn.GRU), 3, False), ("highway", ("lstm", nn.LSTM), 2, True),
        ("pyramid", ("lstm", nn.LSTM), 3, True),
    ]:
        pyramid = connection == "pyramid"
        module = Connected(layer, connection, layers, bidirectional)
        layer_case(folder, "option-pyramid" if pyramid else f"option-{cell}-{connection}", cell, module,
                   partial(module.run, cell), states=layers * (2 if bidirectional else 1), family="option",
                   layers=layers, bidirectional=bidirectional, **({} if pyramid else {"connection": connection}))


if __name__ == "__main__":
    run(check_steps, make_forms, make_lstm_options, make_other_options, make_projection, make_connections)
