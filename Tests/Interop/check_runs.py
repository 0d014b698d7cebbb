"""Trains small models and compares what the program writes and computes with the field's own packages.

    python check_runs.py PROGRAM FOLDER

An encoder-decoder and a tagger are trained in FOLDER by PROGRAM (rnn-dist). Their event files are read with TensorBoard and
compared, tag by tag, with metrics.jsonl, samples, checkpoints and settings; their metrics with sacrebleu, jiwer and seqeval;
metrics.jsonl is read with pandas. The commands of docs/OWN_DATA.md are run on the data that they name.
"""
import json
import math
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import jiwer
import numpy as np
import pandas
import sacrebleu
import seqeval.metrics
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util import tensor_util

PROGRAM, FOLDER = sys.argv[1], Path(sys.argv[2]).resolve()
PACKAGE = Path(__file__).resolve().parents[2]
SIZES = ["model.hidden_size=24", "model.embedding_size=16", "training.batch_size=16", "log.every_steps=5",
         "training.epochs=0", "training.learning_rate=0.01"]


def program(*arguments, text=""):
    done = subprocess.run([PROGRAM, *map(str, arguments)], input=text, cwd=FOLDER, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{arguments}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def write(name, lines):
    (FOLDER / name).write_text("".join(line + "\n" for line in lines))
    return lines


def close(a, b, tolerance=1e-6):
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


# Runs: their paths are absolute, as a run stores them.


def train_translator():
    """Sentences and their reversal, which a short training does not learn completely."""
    source = random.Random(1)
    words = "the a cat dog sees hears big small, café don't 12 house.".split()
    texts = [" ".join(source.choices(words, k=source.randint(3, 9))) for _ in range(400)]
    pairs = [f"{text}\t{' '.join(reversed(text.split()))}" for text in texts]
    write("pairs.tsv", pairs[:300])
    write("held-out.tsv", pairs[300:])
    program("train", "default", "data.generator=none", "data.format=tsv", "data.tokens=word",
            f"data.train={FOLDER}/pairs.tsv", f"data.valid={FOLDER}/held-out.tsv", *SIZES, "training.steps=120",
            "evaluation.every_steps=40", "model.decoder_hidden_size=24", "model.attention_size=16",
            "model.readout_size=16", "decoding.max_length=12", "--run-dir", "translator")


def train_tagger():
    """Names of persons and places, which differ in words that also occur outside of names."""
    source = random.Random(2)
    phrases = {"PER": ["ann", "ann lee", "john may"], "LOC": ["york", "new york", "may"], "O": ["in", "new", "sees", "lee"]}
    sentences, tags = [], []
    for _ in range(300):
        words, labels = [], []
        for kind in source.choices(list(phrases), k=source.randint(1, 6)):
            phrase = source.choice(phrases[kind]).split()
            words += phrase
            labels += [kind if kind == "O" else f"{'I' if i else 'B'}-{kind}" for i in range(len(phrase))]
        sentences.append(" ".join(words))
        tags.append(" ".join(labels))
    for name, part in [("train", slice(200)), ("valid", slice(200, 300))]:
        write(f"{name}.words", sentences[part])
        write(f"{name}.tags", tags[part])
    files = [f"data.{split}.{part}={FOLDER}/{split}.{end}" for split in ("train", "valid")
             for part, end in (("input", "words"), ("labels", "tags"))]
    program("train", "slots", *files, *SIZES, "model.character_hidden_size=4",
            "model.character_embedding_size=4", "training.steps=30", "evaluation.every_steps=10", "--run-dir", "tagger")


# Event files


def check_events(name):
    run = FOLDER / name
    kinds = ("scalars", "tensors", "images", "histograms", "compressedHistograms", "audio")
    events = EventAccumulator(str(run), size_guidance=dict.fromkeys(kinds, 0))
    events.Reload()
    tags = events.Tags()
    check_scalars(run, events, tags["scalars"])
    samples = {path.name[5:-5]: json.loads(path.read_text())["samples"] for path in (run / "samples").glob("step-*.json")}
    steps = sorted(map(int, samples))
    assert len(steps) >= 3, steps
    check_histograms(run, events, tags["histograms"], steps)
    check_texts(events, samples)
    check_images(events, tags["images"], samples)
    check_settings(run, events)
    counts = {kind: len(tags[kind]) for kind in ("scalars", "histograms", "images", "tensors")}
    print(f"{name}: TensorBoard reads {counts}")


def check_scalars(run, events, tags):
    """Every number of metrics.jsonl is a scalar, and there is no other."""
    wanted = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        for key, value in event.items():
            if key not in ("step", "time") and isinstance(value, (int, float)) and not isinstance(value, bool):
                wanted.setdefault(f"{event['event']}/{key}", []).append((event.get("step", 0), value))
    assert set(wanted) == set(tags), set(wanted) ^ set(tags)
    for tag, values in wanted.items():
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        assert [step for step, _ in found] == [step for step, _ in values], tag
        assert all(close(a, b) for (_, a), (_, b) in zip(found, values)), tag
    frame = pandas.read_json(run / "metrics.jsonl", lines=True)
    losses = frame[frame.event == "train"].set_index("step").loss
    assert np.allclose(losses, [value for _, value in wanted["train/loss"]])


def check_histograms(run, events, tags, steps):
    """Every parameter has one at each evaluation; that of the checkpoint's step describes the checkpoint."""
    path = (run / "checkpoints" / "last").resolve()
    weights, step = load_file(path / "model.safetensors"), int(path.name[5:])
    assert {f"weights/{name}" for name in weights} >= set(tags) and tags
    for tag in tags:
        values = events.Histograms(tag)
        assert [value.step for value in values] == steps, tag
        found = next(value.histogram_value for value in values if value.step == step)
        tensor = weights[tag[len("weights/"):]].astype(float)
        assert sum(found.bucket) == found.num == tensor.size, tag
        for a, b in [(found.min, tensor.min()), (found.max, tensor.max()), (found.sum, tensor.sum()),
                     (found.sum_squares, (tensor**2).sum())]:
            assert close(a, b), (tag, a, b)
        edges = [found.min] + list(found.bucket_limit)
        assert np.abs(np.histogram(tensor, edges)[0] - found.bucket).sum() <= 0.02 * tensor.size + 2, tag


def check_texts(events, samples):
    for step, outputs in samples.items():
        for number, sample in enumerate(outputs, 1):
            event = next(e for e in events.Tensors(f"samples/{number}") if e.step == int(step))
            text = tensor_util.make_ndarray(event.tensor_proto)[0].decode()
            for line in sample["sources"] + [sample["output"]]:
                assert line in text, (line, text)
    assert events.SummaryMetadata("samples/1").plugin_data.plugin_name == "text"


def check_images(events, tags, samples):
    attention = {(step, number): sample["attention"] for step, outputs in samples.items()
                 for number, sample in enumerate(outputs, 1) if sample["attention"]}
    assert sum(len(events.Images(tag)) for tag in tags) == len(attention)
    for (step, number), matrices in attention.items():
        image = next(e for e in events.Images(f"attention/{number}") if e.step == int(step))
        width, height = struct.unpack(">II", image.encoded_image_string[16:24])
        assert image.encoded_image_string.startswith(b"\x89PNG") and (width, height) == (image.width, image.height)
        assert width % len(matrices[0]["source"]) == 0 and height % len(matrices[0]["output"]) == 0


def check_settings(run, events):
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    found = HParamsPluginData.FromString(content).session_start_info.hparams
    lines = program("config", "show", run / "config.yaml").splitlines()
    wanted = dict(line.rsplit("  #", 1)[0].strip().split(": ", 1) for line in lines if ": " in line)
    assert set(found) == set(wanted), set(found) ^ set(wanted)
    for key, text in wanted.items():
        value = found[key]
        kind = value.WhichOneof("kind")
        if kind == "number_value":
            assert close(value.number_value, float(text)), key
        elif kind == "bool_value":
            assert text == str(value.bool_value).lower(), key
        else:
            assert text.strip("'\"") == value.string_value.strip("'\""), (key, text, value.string_value)


# Metrics


def check_texts_metrics():
    pairs = [line.split("\t") for line in (FOLDER / "held-out.tsv").read_text().splitlines()]
    sources, references = [p[0] for p in pairs], [p[1] for p in pairs]
    outputs = program("predict", "translator", text="\n".join(sources) + "\n").splitlines()
    report = json.loads(program("evaluate", "translator", "--json"))
    wanted = {
        "bleu": sacrebleu.corpus_bleu(outputs, [references]).score,
        "chrf": sacrebleu.corpus_chrf(outputs, [references]).score,
        "chrf++": sacrebleu.corpus_chrf(outputs, [references], word_order=2).score,
        "word_error_rate": jiwer.wer(references, outputs),
        "character_error_rate": jiwer.cer(references, outputs),
        "exact_match": np.mean([output == reference for output, reference in zip(outputs, references)]),
    }
    for name, value in wanted.items():
        assert close(report[name], value), (name, report[name], value)
    assert 0 < report["bleu"] < 100, "a model that is always or never right tests little"
    print("translator: sacrebleu and jiwer agree,", {name: round(float(value), 4) for name, value in wanted.items()})


def check_tags_metrics():
    def tags(text):
        return [line.split() for line in text.splitlines()]

    references = tags((FOLDER / "valid.tags").read_text())
    outputs = tags(program("predict", "tagger", text=(FOLDER / "valid.words").read_text()))
    report = json.loads(program("evaluate", "tagger", "--json"))
    wanted = seqeval.metrics.classification_report(references, outputs, output_dict=True)
    assert close(report["f1"], wanted["micro avg"]["f1-score"])
    assert 0 < report["f1"] < 1, "a model that is always or never right tests little"
    assert {span["name"] for span in report["spans"]} == {"PER", "LOC"}
    for span in report["spans"]:
        for own, name in [("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"), ("examples", "support")]:
            assert close(span[own], wanted[span["name"]][name]), (span, wanted[span["name"]])
    flat = [tag for line in references for tag in line], [tag for line in outputs for tag in line]
    for tag in report["classes"]:
        pairs = list(zip(*flat))
        correct = sum(a == b == tag["name"] for a, b in pairs)
        assert tag["correct"] == correct and tag["examples"] == sum(a == tag["name"] for a, _ in pairs), tag
    kept = json.loads((FOLDER / "tagger" / "classes.json").read_text())
    assert kept["spans"] == report["spans"] and kept["classes"] == report["classes"]
    print("tagger: seqeval agrees, F1", round(report["f1"], 4))


# Own data


def check_own_data():
    """The commands of docs/OWN_DATA.md, on the data of Examples/make_data.py, with a few steps of training."""
    make, *kinds = re.findall(r"```sh\n(.*?)```", (PACKAGE / "docs" / "OWN_DATA.md").read_text(), re.DOTALL)
    launcher = FOLDER / "launch" / "run"
    launcher.parent.mkdir()
    launcher.write_text(f"""#!/bin/sh
[ "$1" != -np ] || shift 2
[ "$1" != train ] || set -- "$@" training.epochs=0 training.steps=3 training.schedule.warmup_steps=1
exec "{PROGRAM}" "$@"
""")
    launcher.chmod(0o755)
    (FOLDER / "Examples").symlink_to(PACKAGE / "Examples")
    run_script(make)
    # A debug build would take long to decode all.
    for language in ("en", "de"):
        path = FOLDER / "data" / "own" / f"held-out.{language}"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:20]))
    assert len(kinds) == 4, kinds
    heating, sensors, numbers, gestures = [run_script(commands).splitlines() for commands in kinds]
    # The quantiles of each of the next 12 hours.
    assert all(len([float(number) for number in line.split(",")]) == 3 for line in heating[-12:]), heating[-12:]
    header, *rows = sensors[-4:]
    assert header == "state,predicted,score" and all(row.split(",")[1] in ("idle", "running", "worn") for row in rows), rows
    assert any(line.startswith("exact match") for line in numbers)
    assert gestures[-1] in ("circle", "line", "zigzag"), gestures[-1]
    print("the commands of OWN_DATA.md run")


def run_script(text):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=FOLDER, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{text}\nexit code {done.returncode}\n{done.stderr}")
    return done.stdout


train_translator()
train_tagger()
check_events("translator")
check_events("tagger")
check_texts_metrics()
check_tags_metrics()
check_own_data()
