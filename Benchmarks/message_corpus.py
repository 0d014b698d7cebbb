#!/usr/bin/env python3
"""Writes a parallel corpus from the translations of the programs that are installed.

    Benchmarks/message_corpus.py LANGUAGE FOLDER

The message catalogs of GNU gettext (/usr/share/locale/LANGUAGE/LC_MESSAGES/*.mo) hold English messages and their translations by
people. FOLDER gets train, valid and test parts, `train.en` and `train.LANGUAGE` and so on, with one message per line; valid and test
have 1,000 messages each. The order of the messages is that of their hashes, so the parts change if programs are added. Messages that
differ only in case, digits or punctuation count as one, so no message is in two parts. Standard library only.
"""
import gettext
import hashlib
import re
import sys
from pathlib import Path

HELD_OUT = 1000


def messages(language):
    """Yields each message and its translation."""
    for path in sorted(Path("/usr/share/locale", language, "LC_MESSAGES").glob("*.mo")):
        try:
            with open(path, "rb") as file:
                catalog = gettext.GNUTranslations(file)._catalog
        except (OSError, ValueError):
            continue
        for key, target in catalog.items():
            # Plural forms have a number beside the message, and a context is before the character 4.
            message = (key[0] if isinstance(key, tuple) else key).rsplit("\x04", 1)[-1]
            yield clean(message), clean(target)


def clean(text):
    """The text in one line, without the marks of the letters that choose a menu entry."""
    return " ".join(re.sub(r"(?<!\w)[_&](?=\w)|(?<=[a-z])_(?=[a-z]+\b)", "", text).split())


def is_sentence(message, translation):
    words = len(message.split())
    letters = sum(character.isalpha() or character == " " for character in message)
    return (4 <= words <= 40 and 3 <= len(translation.split()) <= 45 and letters >= 0.8 * len(message)
            and message != translation)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    language, folder = sys.argv[1], Path(sys.argv[2])
    pairs = {}
    for message, translation in messages(language):
        if is_sentence(message, translation):
            pairs.setdefault(re.sub(r"[^a-z]+", " ", message.lower()).strip(), (message, translation))
    ordered = [pairs[key] for key in sorted(pairs, key=lambda key: hashlib.sha256(key.encode()).digest())]
    if len(ordered) < 10 * HELD_OUT:
        sys.exit(f"only {len(ordered)} messages in {language}: install more programs with translations")
    folder.mkdir(parents=True, exist_ok=True)
    for part, lines in (("test", ordered[:HELD_OUT]), ("valid", ordered[HELD_OUT:2 * HELD_OUT]), ("train", ordered[2 * HELD_OUT:])):
        for column, suffix in enumerate(("en", language)):
            text = "".join(pair[column] + "\n" for pair in lines)
            (folder / f"{part}.{suffix}").write_text(text, encoding="utf-8")
        print(f"{part}: {len(lines)} pairs")


main()
