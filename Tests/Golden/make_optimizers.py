"""Writes optimizers.json: what torch.optim makes of a fixed sequence of gradients.

Run from the root of the package: python Tests/Golden/make_optimizers.py
Parameters and gradients are multiples of 1/64, exact in float and double; Tests/OptimizersTests/OptimizerTests.swift
repeats the formulas.
"""

import json

import torch

COUNT, STEPS, SCALE = 5, 12, 0.5
OUTPUT = "Tests/Golden/optimizers.json"

RULES = {
    "sgd": (torch.optim.SGD, {}, []),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}, ["momentum_buffer"]),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, ["momentum_buffer"]),
    "rmsprop": (torch.optim.RMSprop, {}, ["square_avg"]),
    "adagrad": (torch.optim.Adagrad, {}, ["sum"]),
    "adam": (torch.optim.Adam, {}, ["exp_avg", "exp_avg_sq"]),
    "adamw": (torch.optim.AdamW, {}, ["exp_avg", "exp_avg_sq"]),
}


def parameters(dtype):
    return torch.tensor([((i * 37) % 101 - 50) / 64 for i in range(COUNT)], dtype=dtype)


def gradients(step, dtype):
    return torch.tensor([((i * 29 + step * 53) % 97 - 48) / 32 for i in range(COUNT)], dtype=dtype)


def learning_rate(step):
    return 0.02 / (1 + step)


def run(rule, weight_decay, dtype):
    """Returns the final parameters and moments after STEPS updates."""
    optimizer_class, options, moment_names = RULES[rule]
    p = torch.nn.Parameter(parameters(dtype))
    optimizer = optimizer_class([p], lr=1.0, weight_decay=weight_decay, foreach=False, **options)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = learning_rate(step)
        p.grad = gradients(step, dtype) * SCALE
        optimizer.step()
    return p.detach(), [optimizer.state[p][name] for name in moment_names]


def case(rule, weight_decay):
    double, moments = run(rule, weight_decay, torch.float64)
    single, _ = run(rule, weight_decay, torch.float32)
    return {
        "kind": rule,
        "weightDecay": weight_decay,
        "double": double.tolist(),
        "single": single.tolist(),
        "moments": [moment.tolist() for moment in moments],
    }


def main():
    cases = [case(rule, weight_decay) for rule in RULES for weight_decay in (0.0, 0.01)]
    with open(OUTPUT, "w") as file:
        # One case per line.
        file.write("[\n" + ",\n".join(json.dumps(each) for each in cases) + "\n]\n")


if __name__ == "__main__":
    main()
