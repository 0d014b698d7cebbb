#!/usr/bin/env python3
"""Writes small data of the four kinds that docs/OWN_DATA.md trains on, in the forms in which one has them.

    Examples/make_data.py FOLDER

`sensors.csv`: 40 readings of a vibration sensor per row, after the state of the machine. `numbers.en`, `numbers.de` and
`held-out.en`, `held-out.de`: numbers in words, a sentence per line in two languages. `gestures.tsv`: names of gestures with the
NumPy files of their series of x, y, z, in `gestures/`. `greenhouse.csv`: temperature, humidity and heating of every hour, with gaps.
Standard library only.
"""
import datetime
import math
import random
import struct
import sys
from pathlib import Path

ENGLISH = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
           "eighteen nineteen").split()
ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
GERMAN = ("null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
          "achtzehn neunzehn").split()
GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()


def english(n):
    if n < 20:
        return ENGLISH[n]
    if n < 100:
        return ENGLISH_TENS[n // 10 - 2] + (f"-{ENGLISH[n % 10]}" if n % 10 else "")
    for unit, name in [(1000, "thousand"), (100, "hundred")]:
        if n >= unit:
            rest = f" {'and ' if n % unit < 100 else ''}{english(n % unit)}" if n % unit else ""
            return f"{english(n // unit)} {name}{rest}"


def german(n, is_last=True):
    if n < 20:
        return "eins" if n == 1 and is_last else GERMAN[n]
    if n < 100:
        return (f"{GERMAN[n % 10]}und" if n % 10 else "") + GERMAN_TENS[n // 10 - 2]
    for unit, name in [(1000, "tausend"), (100, "hundert")]:
        if n >= unit:
            return german(n // unit, False) + name + (german(n % unit) if n % unit else "")


def write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def vibration(source, state):
    """A machine hums at one frequency; a worn bearing adds knocks."""
    phase, loudness = source.uniform(0, 7), {"idle": 0.1, "running": 1.0, "worn": 1.0}[state]
    knock = source.randrange(10)
    for t in range(40):
        value = loudness * math.sin(phase + 0.9 * t) + source.gauss(0, 0.2)
        yield value + (0.8 if state == "worn" and t % 10 == knock else 0)


def gesture(source, name):
    """Positions of a hand that draws a circle, a line or a zigzag, in 20 to 40 steps."""
    steps, size = source.randint(20, 40), source.uniform(0.5, 1.5)
    for step in range(steps):
        t = step / steps
        x, y = {"circle": (math.cos(6.3 * t), math.sin(6.3 * t)), "line": (2 * t - 1, 0.3 * t),
                "zigzag": (2 * t - 1, abs(8 * t % 2 - 1))}[name]
        yield [size * x + source.gauss(0, 0.1), size * y + source.gauss(0, 0.1), source.gauss(0, 0.1)]


def greenhouse(source, hours):
    """Temperature, humidity and heating by the hour. Cold nights need heating; a tenth of the rows lack a number."""
    time, weather = datetime.datetime(2024, 3, 1), 0.0
    for hour in range(hours):
        weather = 0.98 * weather + source.gauss(0, 0.6)
        temperature = 14 + 5 * math.sin(math.pi * (hour - 9) / 12) + weather + source.gauss(0, 0.3)
        humidity = 95 - 2 * temperature + source.gauss(0, 1)
        heating = max(0, 18 - temperature) * 1.5 + source.gauss(0, 0.4)
        values = [f"{temperature:.1f}", f"{humidity:.0f}", f"{max(0, heating):.1f}"]
        if source.random() < 0.1:
            values[source.choice([0, 1, 1, 1, 2])] = ""
        yield f"{time + datetime.timedelta(hours=hour):%Y-%m-%d %H:%M}," + ",".join(values)


def write_npy(path, rows):
    """An array [steps, columns] of 32-bit floats, as numpy.save writes it."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header += " " * (64 - (10 + len(header) + 1) % 64) + "\n"
    numbers = [number for row in rows for number in row]
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
                     + struct.pack(f"<{len(numbers)}f", *numbers))


def main(folder):
    source = random.Random(1)
    (folder / "gestures").mkdir(parents=True, exist_ok=True)
    rows = ["state," + ",".join(f"t{t}" for t in range(40))]
    for _ in range(1500):
        state = source.choice(["idle", "running", "worn"])
        rows.append(state + "," + ",".join(f"{value:.4f}" for value in vibration(source, state)))
    write(folder / "sensors.csv", rows)

    numbers = source.sample(range(10_000), 4500)
    for name, part in [("numbers", numbers[:4000]), ("held-out", numbers[4000:])]:
        write(folder / f"{name}.en", map(english, part))
        write(folder / f"{name}.de", map(german, part))

    lines = []
    for number in range(300):
        name = source.choice(["circle", "line", "zigzag"])
        write_npy(folder / "gestures" / f"{number:03}.npy", list(gesture(source, name)))
        lines.append(f"{name}\tgestures/{number:03}.npy")
    write(folder / "gestures.tsv", lines)

    write(folder / "greenhouse.csv", ["time,temperature,humidity,heating", *greenhouse(source, 3000)])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
