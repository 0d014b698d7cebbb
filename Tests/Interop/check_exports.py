"""Runs exported models in ONNX Runtime and NumPy, and in PyTorch and Keras if these are installed, and compares them with
the program.

    python check_exports.py DIRECTORY...

Each directory holds `pytorch`, `onnx`, `weights.npz` and `expected.safetensors`: inputs, and outputs of the program (see
Tests/ExportingTests/ReferenceOutputs.swift).
"""
import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

try:
    import torch
except ImportError:
    torch = None
os.environ.setdefault("KERAS_BACKEND", "torch" if torch else "numpy")
try:
    import keras
except ImportError:
    keras = None

TOLERANCE = 1e-5
SCORES = ("logits", "log_probabilities", "emissions", "probabilities", "values")


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def path_score(emissions, start, transitions, end, path):
    """log p of a path of a conditional random field."""
    alpha = start + emissions[0]
    for emission in emissions[1:]:
        scores = alpha[:, None] + transitions
        alpha = np.log(np.exp(scores - scores.max()).sum(0)) + scores.max() + emission
    alpha = alpha + end
    total = np.log(np.exp(alpha - alpha.max()).sum()) + alpha.max()
    score = start[path[0]] + end[path[-1]] + emissions[np.arange(len(path)), path].sum()
    return score + transitions[path[:-1], path[1:]].sum() - total


def best_path(emissions, start, transitions, end):
    score, back = start + emissions[0], []
    for emission in emissions[1:]:
        scores = score[:, None] + transitions
        back.append(scores.argmax(0))
        score = scores.max(0) + emission
    path = [int((score + end).argmax())]
    for previous in reversed(back):
        path.append(int(previous[path[-1]]))
    return path[::-1]


class Case:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.expected = load_file(self.folder / "expected.safetensors")
        self.worst = 0.0

    def compare(self, what, found, name):
        wanted = self.expected[name]
        lengths = self.expected.get("lengths")
        if found.shape != wanted.shape:
            raise AssertionError(f"{self.folder.name}, {what}: shape {found.shape}, expected {wanted.shape}")
        difference = np.abs(found - wanted)
        inputs = [self.expected[key] for key in ("tokens", "words", "x") if key in self.expected]
        has_steps = inputs and wanted.ndim == 3 and wanted.shape[1] == inputs[0].shape[1]
        if lengths is not None and has_steps and "target" not in self.expected:
            difference[np.arange(wanted.shape[1])[None] >= lengths[:, None]] = 0  # padding
        self.worst = max(self.worst, float(difference.max()))
        if not difference.max() <= TOLERANCE:
            raise AssertionError(f"{self.folder.name}, {what}: {name} differs by {difference.max():.2e}")

    def compare_scores(self, what, scores):
        """The scores of a model, whatever their form, by the name of the output."""
        (name, value), *further = scores.items()
        if name == "emissions":
            crf = [scores[key] for key in ("start_transitions", "transitions", "end_transitions")]
            paths, total, first = [], 0.0, 0
            for emissions, length in zip(value, self.expected["lengths"]):
                path = self.expected["path"][first : first + length]
                total += path_score(emissions[:length], *crf, path)
                paths += best_path(emissions[:length], *crf)
                first += length
            self.compare(what, np.float32([total]), "path_score")
            assert paths == list(self.expected["best_path"]), f"{self.folder.name}, {what}: best path"
        elif "log_probabilities" in self.expected:
            self.compare(what, log_softmax(value), "log_probabilities")
        else:
            self.compare(what, value, name)

    # ONNX

    def session(self, name):
        path = str(self.folder / "onnx" / name)
        onnx.checker.check_model(path, full_check=True)
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(self, session, **values):
        inputs = {i.name: values.get(i.name, self.expected.get(i.name)) for i in session.get_inputs()}
        outputs = [output.name for output in session.get_outputs()]
        return dict(zip(outputs, session.run(None, inputs)))

    def check_onnx(self):
        if (self.folder / "onnx" / "model.onnx").exists():
            found = self.run(self.session("model.onnx"))
            self.compare_scores("onnx", {name: found[name] for name in found if name in SCORES or "trans" in name})
            for name in found:
                if name.startswith("next_"):
                    self.compare("onnx", found[name], name)
            return
        session = self.session("decoder.onnx")
        values = self.run(self.session("encoder.onnx"))
        begin = int(session.get_modelmeta().custom_metadata_map["begin"])
        target = self.expected["target"]
        logits = []
        for token in [np.full(len(target), begin)] + list(target.T):
            found = self.run(session, token=token.astype(np.int64), **values)
            logits.append(found.pop("logits"))
            if "attention" in found:
                assert np.allclose(found["attention"].sum(1), 1, atol=1e-5)
            values.update({name[5:]: found[name] for name in found if name.startswith("next_")})
        self.compare_scores("onnx", {"logits": np.stack(logits, 1)})
        source = self.expected.get("source")
        if source is not None and source.ndim == 2 and not {"source2", "characters"} & set(self.expected):
            self.check_example(source[0].tolist())

    def check_example(self, source):
        """The example of docs/EXPORT.md runs on the model, and its two searches agree where they must."""
        text = (Path(__file__).parents[2] / "docs" / "EXPORT.md").read_text()
        blocks = text.split("```python\n")[1:]
        example = next(block.split("```")[0] for block in blocks if "class Translator" in block)
        names = {}
        exec(example, names)
        translator = names["Translator"](self.folder / "onnx")
        greedy = translator.greedy(source, longest=12)
        if len(greedy) < 12:
            assert translator.beam_search(source, beam=1) == greedy, "beam 1 is greedy"
        translator.beam_search(source, beam=4, longest=12)

    # PyTorch

    def check_torch(self):
        spec = importlib.util.spec_from_file_location("model", self.folder / "pytorch" / "model.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        model = module.load()
        names = [name for name in model.forward.__code__.co_varnames[1 : model.forward.__code__.co_argcount]]
        arguments = []
        for name in names:
            if name == "state":
                continue
            value = self.expected[name]
            arguments.append(int(value[0]) if name == "batch_size" else torch.from_numpy(value))
        with torch.no_grad():
            found = model(*arguments)
        found, state = found if isinstance(found, tuple) else (found, None)
        scores = {"logits": found.numpy()}
        if "best_path" in self.expected:
            crf = {name: value.detach().numpy() for name, value in model.crf.named_parameters()}
            scores = {"emissions": found.numpy(), **crf}
            first = 0
            for emissions, length in zip(found, self.expected["lengths"]):
                path = model.best_path(emissions[:length])
                assert path.tolist() == self.expected["best_path"][first : first + length].tolist()
                first += length
        elif "log_probabilities" not in self.expected:
            scores = {next(n for n in ("probabilities", "values") if n in self.expected): found.numpy()}
        self.compare_scores("pytorch", scores)
        if state is not None:
            for part, tensor in zip("hc", state if isinstance(state, tuple) else (state,)):
                for layer, value in enumerate(tensor):
                    self.compare("pytorch", value.numpy(), f"next_{part}_l{layer}")

    # Keras

    def check_keras(self):
        """Language models, whose layers make up a Keras model."""
        path = self.folder / "keras.npz"
        if not path.exists() or "next_h_l0" not in self.expected:
            return
        archive = np.load(path)
        metadata = json.loads(str(archive["metadata"]))
        x = archive["embedding.embeddings"][self.expected["tokens"]]
        for index in range(int(metadata["model.layers"])):
            weights = [archive[f"rnn.l{index}.{name}"] for name in ("kernel", "recurrent_kernel", "bias")]
            units = len(weights[1])
            options = {"return_sequences": True}
            if metadata["model.cell"] == "gru":
                options["reset_after"] = metadata["model.gru_reset"] == "after"
            elif metadata["model.cell"] == "rnn":
                options["activation"] = metadata["model.activation"]
            kinds = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
            layer = kinds[metadata["model.cell"]](units, **options)
            layer.build(x.shape)
            layer.set_weights(weights)
            x = keras.ops.convert_to_numpy(layer(x))
        if "output.kernel" in archive:
            logits = x @ archive["output.kernel"] + archive["output.bias"]
            self.compare_scores("keras", {"logits": logits})

    # NumPy

    def check_npz(self):
        weights = load_file(self.folder / "pytorch" / "model.safetensors")
        with np.load(self.folder / "weights.npz") as archive:
            metadata = json.loads(str(archive["metadata"]))
            names = set(archive.files) - {"metadata"}
            assert sum(archive[name].size for name in names) == sum(w.size for w in weights.values())
            assert "task" in metadata
            for name in names & set(weights):
                assert np.array_equal(archive[name], weights[name]), name


def main(folders):
    worst, failures = 0.0, []
    for folder in folders:
        case = Case(folder)
        checks = [case.check_npz, case.check_onnx]
        checks += ([case.check_torch] if torch else []) + ([case.check_keras] if keras else [])
        for check in checks:
            try:
                check()
            except Exception as error:  # every model is checked before the script fails
                failures.append(f"{Path(folder).name}: {check.__name__}: {type(error).__name__}: {error}")
        worst = max(worst, case.worst)
    others = "".join(f", {module.__name__}" for module in (torch, keras) if module)
    print(f"{len(folders)} models in numpy, onnxruntime{others}: {len(failures)} failures, "
          f"largest difference {worst:.1e}")
    print("\n".join(failures))
    sys.exit(1 if failures else 0)


main(sys.argv[1:])
