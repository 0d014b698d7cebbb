"""Writes Tests/OptimizersTests/GoldenUpdates.swift: what torch.optim makes of a fixed sequence of gradients.

Run from the root of the package: python Tests/Golden/make_optimizers.py
Parameters and gradients are multiples of 1/64, exact in float and double; GoldenUpdates.swift repeats the
formulas.
"""

import torch

COUNT, STEPS, SCALE = 5, 12, 0.5
OUTPUT = "Tests/OptimizersTests/GoldenUpdates.swift"

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


def swift_case(rule, weight_decay):
    double, double_moments = run(rule, weight_decay, torch.float64)
    single, _ = run(rule, weight_decay, torch.float32)
    lines = ["    GoldenUpdate(", f"      kind: .{rule}, weightDecay: {weight_decay},", "      double: ["]
    lines += [f"        {float(v)!r}," for v in double]
    lines += ["      ],", "      single: ["]
    lines += [f"        {float(v)!r}," for v in single]
    lines += ["      ],"]
    if not double_moments:
        return lines + ["      moments: []),"]
    lines += ["      moments: ["]
    closing = "        ]," if len(double_moments) > 1 else "        ]"  # as swift format wants it
    for moment in double_moments:
        lines += ["        ["] + [f"          {float(v)!r}," for v in moment] + [closing]
    return lines + ["      ]),"]


def main():
    lines = [
        "// Written by Tests/Golden/make_optimizers.py with PyTorch " + torch.__version__.split("+")[0] + ".",
        "",
        "import Optimizers",
        "",
        "/// Parameters and moments after twelve updates by torch.optim; the inputs are the functions below.",
        "struct GoldenUpdate: Sendable, CustomStringConvertible {",
        "  let kind: OptimizerSettings.Kind",
        "  let weightDecay: Double",
        "  let double: [Double]",
        "  let single: [Double]",
        "  let moments: [[Double]]",
        "",
        '  var description: String { "\\(kind.rawValue) with weight decay \\(weightDecay)" }',
        "",
        f"  static let (count, steps, gradientScale) = ({COUNT}, {STEPS}, {SCALE})",
        "",
        "  static func parameter(_ i: Int) -> Double { Double((i * 37) % 101 - 50) / 64 }",
        "  static func gradient(_ i: Int, step: Int) -> Double { "
        "Double((i * 29 + step * 53) % 97 - 48) / 32 }",
        "  static func learningRate(step: Int) -> Double { 0.02 / Double(1 + step) }",
        "",
        "  static let all: [GoldenUpdate] = [",
    ]
    for rule in RULES:
        for weight_decay in (0.0, 0.01):
            lines += swift_case(rule, weight_decay)
    with open(OUTPUT, "w") as file:
        file.write("\n".join(lines + ["  ]", "}"]) + "\n")


if __name__ == "__main__":
    main()
