"""Writes metrics-{text,fuzz,spans,edits}.json and unicode-lowercase.json: scores of small corpora by the field's own
tools, and lower case by Python.

Run anywhere: python make_metrics.py [FOLDER] (default: the folder of this file). It needs sacrebleu, jiwer and seqeval;
what the files hold and which versions wrote them is in README.md.
"""

import json
import logging
import os
import random
import sys
import unicodedata
from collections import Counter

import jiwer
from sacrebleu.metrics import BLEU, CHRF
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

logging.getLogger("sacrebleu").setLevel(logging.ERROR)

# --- Texts -----------------------------------------------------------------------------------------------------

# Hypothesis and references: edge cases of tokenization, matching and smoothing.
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


def corpus_scores(metric, entries, selections, detail):
    """What a metric of sacrebleu says of each corpus."""
    found = {}
    for name, selection in selections.items():
        chosen = [entries[i] for i in selection]
        score = metric.corpus_score([h for h, _ in chosen], streams(chosen))
        found[name] = {"score": score.score, "signature": str(metric.get_signature()), **detail(score)}
    return found


BLEU_OPTIONS = [(tokenizer, lowercase) for tokenizer in ("13a", "intl", "char", "none") for lowercase in (False, True)]
CHRF_OPTIONS = [(word_order, lowercase) for word_order in (0, 2) for lowercase in (False, True)]


def bleu_cases(entries, selections):
    def detail(score):
        return {"matches": score.counts, "totals": score.totals, "hypothesis_length": score.sys_len,
                "reference_length": score.ref_len}

    return [{"tokenizer": tokenizer, "lowercase": lowercase,
             "corpora": corpus_scores(BLEU(tokenize=tokenizer, lowercase=lowercase), entries, selections, detail)}
            for tokenizer, lowercase in BLEU_OPTIONS]


def chrf_cases(entries, selections):
    cases = []
    for word_order, lowercase in CHRF_OPTIONS:
        metric = CHRF(word_order=word_order, lowercase=lowercase)
        cases.append({"word_order": word_order, "lowercase": lowercase,
                      "corpora": corpus_scores(metric, entries, selections, lambda score: {"name": score.name}),
                      "sentences": [metric.sentence_score(h, r).score for h, r in entries]})
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
    """The counts of conlleval (CoNLL-2000, version 2004-01-26), written again in Python from its rules.

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
    c, p, r = (sum(counter.values()) for counter in counts)
    precision, recall = (c / p if p else 0.0), (c / r if r else 0.0)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {
        "name": name,
        "sentences": [{"reference": list(r), "predicted": list(p)} for r, p in sentences],
        "total": {"correct": c, "predicted": p, "reference": r, "precision": precision, "recall": recall, "f1": f1},
        "types": {kind: dict(zip(("correct", "predicted", "reference"), (counter[kind] for counter in counts)))
                  for kind in sorted(set().union(*counts)) if any(counter[kind] for counter in counts)},
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


# --- Texts of all kinds ----------------------------------------------------------------------------------------

# Ranges of scripts, and pieces that tools are known to treat differently.
SCRIPTS = ["az", "AZ", "\u00c0\u017f", "\u0391\u03c9", "\u0410\u044f", "\u05d0\u05ea", "\u0621\u064a", "\u0905\u0939",
           "\u0b85\u0bb9", "\u0e01\u0e2e", "\u1100\u1175", "\u10a0\u10c5", "\u13a0\u13f5", "\u3041\u3093", "\u4e00\u4fff",
           "\uac00\ud7a3", "\U00010400\U0001044f", "\U0001d400\U0001d433", "\U0001f600\U0001f64f", "09", "\u0660\u0669",
           "\u0966\u096f", "\u2160\u217f", "\u00b2\u00b3"]
MARKS = ["\u0301", "\u0308", "\u0345", "\u05b8", "\u064b", "\u093e", "\u093f", "\u094d", "\u0bbe", "\u0e31", "\u1161", "\u11a8",
         "\u200d", "\u200c", "\ufe0f", "\U0001f3fd", "\u20e3"]
SPACES = [" "] * 12 + ["  ", "\t", "\x1c", "\x1f", "\x85", "\u00a0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f",
                       "\u3000", " \u00a0", "\u200b", "\ufeff", "\r", "\n"]
PIECES = ["&quot;", "&amp;", "&lt;", "<skipped>", "-", "--", ".", "...", ",", "1,000.5", "3-", "(", ")", "'", '"', "$", "%",
          "\u2014", "\u201c", "\u3002", "\u060c", "\u0964", "\u20ac", "\u2116", "\u00d7", "\u200e", "\u200f", "\u202b", "\u2066",
          "\u03a3", "\u03c2", "\u03a3.", "\u0130", "\u1e9e", "\ufb01", "\u01c5", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
          "\U0001f1e9\U0001f1ea", "\u00e9", "e\u0301"]


def fuzzed_words(source, count):
    """Some words and what separates them."""
    parts = []
    for _ in range(count):
        if source.random() < 0.25:
            parts.append(source.choice(PIECES))
        else:
            first, last = source.choice(SCRIPTS)
            for _ in range(source.randrange(1, 5)):
                parts.append(chr(source.randint(ord(first), ord(last))))
                if source.random() < 0.2:
                    parts.append(source.choice(MARKS))
        if source.random() < 0.7:
            parts.append(source.choice(SPACES))
            if source.random() < 0.1:
                parts.append(source.choice(MARKS))
    return parts


def fuzzed_texts(count, seed):
    """Pairs of hypothesis and reference. The reference is a changed copy, and never only white space."""
    source = random.Random(seed)
    pairs = []
    while len(pairs) < count:
        hypothesis = fuzzed_words(source, source.randrange(1, 7))
        reference = [part.swapcase() if source.random() < 0.1 else part
                     for part in hypothesis if source.random() > 0.15]
        for _ in range(source.randrange(0, 3)):
            place = source.randrange(len(reference) + 1)
            reference[place:place] = fuzzed_words(source, 1)
        pair = "".join(hypothesis), "".join(reference)
        scalars = "".join(pair)
        if pair[1].strip() and all(unicodedata.category(c) not in ("Cn", "Cs") for c in scalars):
            pairs.append(pair)
    return pairs


def fingerprint(text):
    """FNV-1a of the UTF-8, 64 bits, in hexadecimal."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def edits(process, pairs):
    """Edits and length of the reference for each pair."""
    found = [process(reference, hypothesis) for hypothesis, reference in pairs]
    return [[f.substitutions + f.deletions + f.insertions, f.hits + f.substitutions + f.deletions] for f in found]


def fuzzed_tags(pairs, seed):
    """A tag for each word of the hypotheses, and predictions of which three in four are right. The types are of all scripts."""
    source = random.Random(seed)
    types = ["LOC", "\u00e9", "e\u0301", "\u0915\u093e", "\u05e9\u05dc", "\u03a3", "\U0001f468\u200d\U0001f469", "\u6771\u4eac", "a\u00a0b"]
    def tag():
        return "O" if source.random() < 0.3 else f"{source.choice('BBIIIES')}-{source.choice(types[:3] if source.random() < 0.7 else types)}"
    references = [[tag() for _ in hypothesis.split()] for hypothesis, _ in pairs]
    predictions = [[t if source.random() < 0.75 else tag() for t in tags] for tags in references]
    return references, predictions


def span_scores(references, predictions, size):
    """Precision, recall and F1 by seqeval for each corpus of texts."""
    scores = []
    for i in range(0, len(references), size):
        corpus = references[i:i + size], predictions[i:i + size]
        scores.append([precision_score(*corpus), recall_score(*corpus), f1_score(*corpus)])
    return [[float(score) for score in row] for row in scores]


def fuzz_file(count=500, size=20):
    pairs = fuzzed_texts(count, seed=17)
    corpora = [pairs[i:i + size] for i in range(0, count, size)]

    def scores(metric):
        return [metric.corpus_score([h for h, _ in c], [[r for _, r in c]]).score for c in corpora]

    tokens, bleu = {}, []
    for tokenizer, lowercase in BLEU_OPTIONS:
        metric = BLEU(tokenize=tokenizer, lowercase=lowercase)
        bleu.append({"tokenizer": tokenizer, "lowercase": lowercase, "scores": scores(metric)})
        if not lowercase:
            tokens[tokenizer] = [fingerprint(" ".join(metric.tokenizer(h.rstrip()).split())) for h, _ in pairs]
    chrf = [{"word_order": word_order, "lowercase": lowercase,
             "scores": scores(CHRF(word_order=word_order, lowercase=lowercase))}
            for word_order, lowercase in CHRF_OPTIONS]
    references, predictions = fuzzed_tags(pairs, seed=23)
    return {
        "tags": {"references": references, "predictions": predictions,
                 "scores": span_scores(references, predictions, size)},
        "pairs": pairs, "corpus_size": size, "tokens": tokens, "bleu": bleu, "chrf": chrf,
        "lowercase": [fingerprint(h.lower()) for h, _ in pairs],
        "words": edits(jiwer.process_words, pairs),
        "characters": edits(jiwer.process_characters, pairs),
    }


# --- Lower case ------------------------------------------------------------------------------------------------

# Capital sigma after and before cased and case-ignorable characters, marks and white space among them.
SIGMAS = ["\u03a3", "\u0391\u03a3", "\u0391\u03a3\u0391", "\u0391\u03a3 \u0391", "\u0391\u03a3.", "\u0391\u03a3.\u0391",
          "\u0391\u0301\u03a3", "\u0391\u03a3\u0301", "\u0391\u03a3\u0301\u0391", "\u0391'\u03a3", "'\u03a3", "1\u03a3",
          "\u0391\u03a3\u03a3", "\u0391\u00ad\u03a3\u00ad", "\u0391\u0345\u03a3", "\u0345\u03a3", "\u0391\u03a3\u0345", "\u02b0\u03a3",
          "\u4e00\u03a3", "\u0391\u03a3\u4e00", "\u0391\u00a0\u03a3", "\u0391\u03a3\u200d\u0391", "\U00010400\u03a3", "\u24b6\u03a3"]


def lowercase_file():
    """Every scalar whose lower case is another text, and texts in which the context decides."""
    scalars = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    return {"unicode": unicodedata.unidata_version,
            "mapped": [[ord(c)] + [ord(x) for x in c.lower()] for c in scalars if c.lower() != c],
            "texts": [[t, t.lower()] for t in SIGMAS]}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    files = {"metrics-text": text_file(), "metrics-fuzz": fuzz_file(), "metrics-spans": span_file(),
             "metrics-edits": edit_file(), "unicode-lowercase": lowercase_file()}
    for name, content in files.items():
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=True, separators=(",", ":"))
            file.write("\n")


if __name__ == "__main__":
    main()
