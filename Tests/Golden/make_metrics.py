"""Writes metrics-{text,spans,edits,sums}.json: scores of small corpora by the field's own tools.

Run anywhere: python make_metrics.py [FOLDER] (default: the folder of this file). It needs sacrebleu and seqeval;
what the files hold and which versions wrote them is in README.md.
"""

import json
import logging
import math
import os
import random
import struct
import sys
from collections import Counter

from sacrebleu.metrics import BLEU, CHRF
from seqeval.metrics.sequence_labeling import get_entities

logging.getLogger("sacrebleu").setLevel(logging.ERROR)

# --- Texts -----------------------------------------------------------------------------------------------------

# Hypothesis and references: the corners of tokenization, matching and smoothing.
WRITTEN = [
    ("the cat sat on the mat", ["the cat sat on the mat"]),
    ("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"]),
    ("It is a guide to action which ensures that the military always obeys the commands of the party.",
     ["It is a guide to action that ensures that the military will forever heed Party commands.",
      "It is the guiding principle which guarantees the military forces always being under the command of the "
      "Party.", "It is the practical guide for the army always to heed the directions of the party."]),
    ("", ["a reference"]),
    ("a hypothesis", [""]),
    ("", [""]),
    ("   \t ", ["x"]),
    ("x", ["x"]),
    ("a b", ["a b"]),
    ("a b c", ["a b d"]),
    ("completely different words here", ["nothing in common at all"]),
    ("short", ["a much longer reference than the hypothesis is"]),
    ("a hypothesis that goes on and on and on long after the reference has ended", ["a hypothesis"]),
    ("a b c d e", ["a b c d", "a b c d e f"]),
    ("a b c d e", ["a b c d e f", "a b c d"]),
    ("a a b", ["a b b", "b a a", "c c c"]),
    ("Costs rose 1,000.50 to 3.14% (see p. 5-6), e.g. 10-20.",
     ["Costs rose 1,000.5 to 3.14 % (see p.5-6) e.g. 10 - 20."]),
    ("...,,,...1.,2,.3", ["... ,,, ... 1. ,2 , .3"]),
    ("a.b,c 5.b a,5 5,5.", ["a . b , c 5 . b a , 5 5,5 ."]),
    ("-5 5- 5-5 a-5 5-a --", ["- 5 5 - 5 - 5 a-5 5-a - -"]),
    ("&quot;Tom &amp; Jerry&quot; &lt;b&gt; &amp;lt; &apos;", ["\"Tom & Jerry\" <b> < '"]),
    ("a <skipped> b", ["a b"]),
    ("broken hyphen-\nated word\nand a new line", ["broken hyphenated word and a new line"]),
    ("ends with a break-\n", ["ends with a break-"]),
    ("{x} [y] (z) ~a~ `b` ^c^ _d_ |e| \\f/ @g #h $i +j *k =l !m ?n :o ;p",
     ["{ x } [ y ] ( z ) ~ a ~ ` b ` ^ c ^ _ d _ | e | \\ f / @ g # h $ i + j * k = l ! m ? n : o ; p"]),
    ("don't U.S.A. Mr. O'Neil's", ["don ' t U . S . A . Mr. O'Neil 's"]),
    ("Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
     ["Zwölf Boxkämpfer jagten Viktor quer über den grossen Sylter Deich."]),
    ("ΟΔΥΣΣΕΥΣ ΣΟΦΟΣ Σ ΑΣ. Σ'", ["οδυσσευς σοφος σ ας. σ'"]),
    ("İstanbul ẞ ǅ ﬁ ÀÉ", ["i̇stanbul ß ǆ ﬁ àé"]),
    # One scalar against letter and mark: equal to a reader and to Swift's ==, different to every tool.
    ("caf\u00e9 na\u00efve", ["cafe\u0301 nai\u0308ve"]),
    ("cafe\u0301", ["cafe\u0301"]),
    ("a\u00a0b\u3000c\u2028d\u001ce\u0085f", ["a b c d e f"]),
    ("私は東京に住んでいます。", ["私は 東京 に住んでいる。"]),
    ("他说：“你好，世界！”", ["他说：你好，世界！"]),
    ("«Привет», — сказал он… №5 €5 5€ x² ½", ["« Привет » , — сказал он … № 5 € 5 5 € x ² ½"]),
    ("١٢٫٣ १२,३ Ⅳ. 5.", ["١٢ ٫ ٣ १२ , ३ Ⅳ . 5 ."]),
    ("שלום עולם! مرحبا، بالعالم؟", ["שלום, עולם! مرحبا بالعالم؟"]),
    ("👍 👩‍👩‍👧 🇩🇪 e\u0301👍", ["👍👩‍👩‍👧 🇩🇪 é 👍"]),
    ("(hi) \"quoted\" hi) (hi ((hi)) . ..", ["(hi) quoted hi (hi (hi) .. ."]),
    ("to be or not to be to be or not to be", ["to be or not to be", "to be or not to be to be"]),
]

WORDS = ("the a of in to and is was Haus der die das nicht übung naïve cafe\u0301 caf\u00e9 Дом и наш Σοφός ΟΔΟΣ 東京 都 "
         "1,000 3.14 10-20 2-nd e-mail don't U.S. etc. -- ... ( ) \" ' , . ; : ! ? % €5 x² « » “ ” … — & &amp; 👍 का "
         ).split()


def random_entries(count, seed):
    """Hypotheses of up to 25 tokens, each with one to three references made from it by small edits."""
    source = random.Random(seed)
    entries = []
    for number in range(count):
        words = [source.choice(WORDS) for _ in range(source.randrange(1, 26))]
        hypothesis = "".join(w + source.choice([" ", " ", " ", " ", "", "  "]) for w in words).strip()
        references = []
        for _ in range(1 + number % 3):
            edited = [w for w in hypothesis.split() if source.random() > 0.15]
            for _ in range(source.randrange(0, 5)):
                edited.insert(source.randrange(len(edited) + 1), source.choice(WORDS))
            references.append(" ".join(w.swapcase() if source.random() < 0.1 else w for w in edited))
        entries.append((hypothesis, references))
    return entries


def streams(entries):
    """sacrebleu's form: one list for each position of a reference; None where an entry has fewer."""
    most = max(len(references) for _, references in entries)
    return [[r[k] if k < len(r) else None for _, r in entries] for k in range(most)]


def corpora(entries):
    """Indices of entries: all, and those with the same number of references."""
    result = {"all": list(range(len(entries)))}
    for name, count in [("one reference", 1), ("three references", 3)]:
        result[name] = [i for i, (_, references) in enumerate(entries) if len(references) == count]
    return result


def scores(metric, entries, selections, with_sentences, detail):
    """What a metric of sacrebleu says of each corpus and, if asked, of each sentence."""
    found = {"corpora": {}}
    for name, selection in selections.items():
        chosen = [entries[i] for i in selection]
        score = metric.corpus_score([h for h, _ in chosen], streams(chosen))
        found["corpora"][name] = {"score": score.score, "signature": str(metric.get_signature()), **detail(score)}
    if with_sentences:
        found["sentences"] = [metric.sentence_score(h, r).score for h, r in entries]
    return found


def bleu_cases(entries, selections):
    def detail(score):
        return {"text": str(score), "precisions": score.precisions, "brevity_penalty": score.bp,
                "hypothesis_length": score.sys_len, "reference_length": score.ref_len}

    options = [(t, lc, "exp", None, eff) for t in ("13a", "intl", "char", "none") for lc in (False, True)
               for eff in (False, True)]
    options += [("13a", False, method, value, eff) for eff in (False, True)
                for method, value in [("none", None), ("floor", None), ("floor", 0.025), ("add-k", None),
                                      ("add-k", 0.5)]]
    cases = []
    for tokenizer, lowercase, method, value, effective in options:
        metric = BLEU(tokenize=tokenizer, lowercase=lowercase, smooth_method=method, smooth_value=value,
                      effective_order=effective)
        cases.append({"tokenizer": tokenizer, "lowercase": lowercase, "smoothing": method, "value": value,
                      "effective_order": effective,
                      **scores(metric, entries, selections, effective or method != "exp", detail)})
    return cases


def chrf_cases(entries, selections):
    cases = []
    for word_order in (0, 1, 2):
        for lowercase, white_space, epsilon in [(False, False, False), (True, False, False), (False, True, False),
                                                (False, False, True)]:
            metric = CHRF(word_order=word_order, lowercase=lowercase, whitespace=white_space, eps_smoothing=epsilon)
            cases.append({"word_order": word_order, "lowercase": lowercase, "white_space": white_space,
                          "epsilon": epsilon,
                          **scores(metric, entries, selections, True, lambda score: {"name": score.name})})
    return cases


def text_file():
    entries = WRITTEN + random_entries(60, seed=5)
    selections = corpora(entries)
    return {
        "entries": [{"hypothesis": h, "references": r} for h, r in entries],
        "selections": selections,
        "bleu": bleu_cases(entries, selections),
        "chrf": chrf_cases(entries, selections),
    }


# --- Spans -----------------------------------------------------------------------------------------------------

class Conlleval:
    """The counts of conlleval (CoNLL-2000, version 2004-01-26), written anew in Python from its rules.

    Two columns of labels are read line by line; sentences are separated by a line of O. A span begins or ends
    between two lines, as their tags and types say.
    """

    ENDS = {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O"), ("E", "E"), ("E", "I"), ("E", "O")}
    BEGINS = {("B", "B"), ("I", "B"), ("O", "B"), ("O", "I"), ("E", "E"), ("E", "I"), ("O", "E")}

    def __init__(self):
        self.correct, self.reference, self.predicted = Counter(), Counter(), Counter()
        self.right_labels = self.labels = 0
        self.inside = False
        self.last = [("O", ""), ("O", "")]

    @staticmethod
    def parts(label):
        tag, hyphen, kind = label.partition("-")
        return (tag, kind) if hyphen else (label, "")

    def line(self, reference, predicted, is_boundary=False):
        now = [self.parts(reference), self.parts(predicted)]
        ends = [(a[0], b[0]) in self.ENDS or (a[0] not in ("O", ".") and a[1] != b[1])
                for a, b in zip(self.last, now)]
        begins = [(a[0], b[0]) in self.BEGINS or (b[0] not in ("O", ".") and a[1] != b[1])
                  for a, b in zip(self.last, now)]
        if self.inside:
            if all(ends) and self.last[0][1] == self.last[1][1]:
                self.correct[self.last[0][1]] += 1
                self.inside = False
            elif ends[0] != ends[1] or now[0][1] != now[1][1]:
                self.inside = False
        if all(begins) and now[0][1] == now[1][1]:
            self.inside = True
        self.reference[now[0][1]] += begins[0]
        self.predicted[now[1][1]] += begins[1]
        if not is_boundary:
            self.labels += 1
            self.right_labels += now[0] == now[1]
        self.last = now

    def result(self, sentences):
        for reference, predicted in sentences:
            for pair in zip(reference, predicted):
                self.line(*pair)
            self.line("O", "O", is_boundary=True)
        return self.correct, self.predicted, self.reference


def seqeval_counts(sentences):
    """The same counts from the spans that seqeval finds."""
    correct, predicted, reference = Counter(), Counter(), Counter()
    for reference_labels, predicted_labels in sentences:
        # seqeval reads the first character as the prefix and knows E and S only.
        rename = {"L": "E", "U": "S"}
        spans = [set(get_entities([rename.get(x[0], x[0]) + x[1:] for x in labels]))
                 for labels in (reference_labels, predicted_labels)]
        for counter, found in [(reference, spans[0]), (predicted, spans[1]), (correct, spans[0] & spans[1])]:
            counter.update(kind for kind, _, _ in found)
    return correct, predicted, reference


def random_labels(source, prefixes, kinds, length, labels=None):
    """Labels of any order, well-formed or not; given some, a copy with a fifth of them changed."""
    def label():
        return "O" if source.random() < 0.3 else f"{source.choice(prefixes)}-{source.choice(kinds)}"

    return [label() if labels is None or source.random() < 0.2 else labels[i] for i in range(length)]


def well_formed(source, kinds, length, single="S", end="E"):
    labels = []
    while len(labels) < length:
        room, kind = length - len(labels), source.choice(kinds)
        size = min(room, source.choice([0, 1, 1, 2, 3, 4]))
        if size == 0:
            labels.append("O")
        elif size == 1:
            labels.append(f"{single}-{kind}")
        else:
            labels += [f"B-{kind}"] + [f"I-{kind}"] * (size - 2) + [f"{end}-{kind}"]
    return labels


WRITTEN_SPANS = [
    # Reference, prediction.
    ("B-NP I-NP O B-VP", "B-NP I-NP O B-VP"),
    ("B-NP I-NP I-NP O", "B-NP I-NP O O"),
    ("I-NP I-NP B-NP O I-VP", "B-NP I-NP B-NP O B-VP"),
    ("B-NP I-VP I-NP O", "B-NP B-VP B-NP O"),
    ("O O O", "O O O"),
    ("O O O", "B-X I-X O"),
    ("B-X I-X O", "O O O"),
    ("", ""),
    ("B-X B-X", "B-X I-X"),
    ("O I-X", "O B-X"),
    ("B-A-B I-A-B O", "B-A-B I-A-B O"),
    ("B I O B", "B I O I"),
    ("B-X I-X", "B-X I-X"),
    ("I-X I-Y", "I-X I-X"),
]


def span_case(name, sentences, counts):
    correct, predicted, reference = counts
    kinds = sorted(set(predicted) | set(reference))

    def figures(c, p, r):
        precision, recall = (c / p if p else 0.0), (c / r if r else 0.0)
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return {"correct": c, "predicted": p, "reference": r, "precision": precision, "recall": recall, "f1": f1}

    return {
        "name": name,
        "sentences": [{"reference": list(r), "predicted": list(p)} for r, p in sentences],
        "total": figures(sum(correct.values()), sum(predicted.values()), sum(reference.values())),
        "types": {k: figures(correct[k], predicted[k], reference[k]) for k in kinds
                  if predicted[k] or reference[k]},
    }


def span_file():
    source = random.Random(11)
    cases = []
    written = [(r.split(), p.split()) for r, p in WRITTEN_SPANS]
    schemes = {"conlleval, written": written}
    for name, prefixes in [("conlleval, B and I", "BI"), ("conlleval, I only", "I"), ("conlleval, I and E", "IE"),
                           ("conlleval, I and B rarely", "IIIB")]:
        sentences = []
        for _ in range(25):
            reference = random_labels(source, prefixes, ["LOC", "PER", "B-MISC"], source.randrange(0, 16))
            sentences.append((reference, random_labels(source, prefixes, ["LOC", "PER"], len(reference), reference)))
        schemes[name] = sentences
    for name, sentences in schemes.items():
        script = Conlleval()
        case = span_case(name, sentences, script.result(sentences))
        case["accuracy"] = script.right_labels / script.labels
        cases.append(case)
        if name != "conlleval, written":  # seqeval reads a label without a type in its own way
            assert seqeval_counts(sentences) == (+script.correct, +script.predicted, +script.reference), name

    for name, prefixes, single, end in [("seqeval, IOBES", "BIES", "S", "E"), ("seqeval, BILOU", "BILU", "U", "L")]:
        sentences = []
        for number in range(30):
            length = source.randrange(0, 16)
            reference = well_formed(source, ["LOC", "PER"], length, single, end)
            if number >= 15:  # not even the reference is well formed
                reference = random_labels(source, prefixes, ["LOC", "PER"], length)
            sentences.append((reference, random_labels(source, prefixes, ["LOC", "PER"], length, reference)))
        cases.append(span_case(name, sentences, seqeval_counts(sentences)))
    return cases


# --- Edits -----------------------------------------------------------------------------------------------------

def distance(a, b):
    """Levenshtein's distance by the whole table."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1,
                              table[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
    return table[-1][-1]


def edit_file():
    source = random.Random(3)
    phones = "AA AE AH B CH D IY K L M N NG S T".split()
    entries = [
        ([], [[]]), ([], [["K", "AE"]]), (["K", "AE"], [[]]), (["K"], [["K"], ["S"]]),
        # Equally close: the shorter reference counts.
        (["K", "AE"], [["K", "AE", "T"], ["K"]]),
        (["K", "AE"], [["K"], ["K", "AE", "T"]]),
        (["e\u0301"], [["\u00e9"]]),
    ]
    for _ in range(60):
        reference = [source.choice(phones) for _ in range(source.randrange(1, 12))]
        references = [reference]
        for _ in range(source.randrange(0, 3)):
            references.append([p for p in reference if source.random() > 0.2] + source.choices(phones, k=1))
        output = [p if source.random() > 0.2 else source.choice(phones) for p in source.choice(references)]
        if source.random() < 0.3:
            output.insert(source.randrange(len(output) + 1), source.choice(phones))
        entries.append((output, references))
    closest = [min((distance(o, r), len(r)) for r in references) for o, references in entries]
    lengths = [(m, n) for m in (1, 63, 64, 65, 127, 128, 129, 200) for n in (1, 64, 130, 201)]
    pairs = []
    for m, n in lengths:
        a, b = source.choices(range(6), k=m), source.choices(range(7), k=n)
        pairs.append({"a": a, "b": b, "distance": distance(a, b)})
    return {
        "entries": [{"output": o, "references": r} for o, r in entries],
        "edits": sum(d for d, _ in closest),
        "reference_tokens": sum(n for _, n in closest),
        "wrong": sum(o not in references for o, references in entries),
        "pairs": pairs,
    }


# --- Sums ------------------------------------------------------------------------------------------------------

def bits(number):
    return struct.pack(">d", number).hex()


def sum_file():
    source = random.Random(7)
    tiny, huge = 5e-324, sys.float_info.max
    cases = [
        [], [0.0], [-0.0], [tiny], [-tiny, tiny], [tiny] * 3, [huge], [-huge, huge, 1.0], [huge, huge, -huge],
        [1.0, 2.0**-53], [1.0, 2.0**-53, tiny], [1.0 + 2.0**-52, 2.0**-53], [1e100, 1.0, -1e100], [0.1] * 10,
        [2.0**53, 1.0, 1.0], [2.0**-1022, -tiny], [2.0**31, -(2.0**32), 0.5],
    ]
    for spread in (3, 60, 700):
        for _ in range(8):
            cases.append([source.uniform(-1, 1) * 2.0 ** source.randrange(-spread, spread + 1) for _ in range(40)])
    # math.fsum rounds the exact sum once (Shewchuk 1997); the partial sums of these don't overflow in this order.
    order = {8: [huge, -huge, huge]}
    return [{"terms": [bits(x) for x in case], "sum": bits(math.fsum(order.get(i, case)))}
            for i, case in enumerate(cases)]


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    files = {"text": text_file(), "spans": span_file(), "edits": edit_file(), "sums": sum_file()}
    for name, content in files.items():
        with open(os.path.join(folder, f"metrics-{name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=True, separators=(",", ":"))
            file.write("\n")


if __name__ == "__main__":
    main()
