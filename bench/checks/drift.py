#!/usr/bin/env python3
"""How often undrifted traffic raises an alarm, and after how many requests drifted traffic does. MNIST, end to end.

    cargo build --release
    python3 bench/checks/drift.py                      # some minutes
    python3 bench/checks/drift.py --windows 200 --rounds 1

The model is that of schemes/mnist.toml after one epoch. MNIST's own test part is cut in two at random, anew in each round: one
half is the test part of the model, and so what its profile is made of; requests are drawn from the other half, which neither
training nor profile has seen. Requests are answered and logged by `heirloom infer --log` and judged by `heirloom monitor`.

  - Undrifted: of all windows of 500 requests at most 1 % raise an alarm at the default `--false-alarm-rate` of 0.5 %.
  - Drifted: with noise (sigma 25 of 255), shifted by 2 pixels, or with one class trebled, at least 95 % of the windows of
    500 requests do. Milder drifts are told, and promised nothing.

Python's standard library is enough. Exit status: 0 all hold, 1 one does not, 2 wrong usage.
"""

import argparse
import gzip
import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from session import REPOSITORY, Failed, require

SIDE = 28
AREA = SIDE * SIDE
DATA = REPOSITORY / "datasets" / "mnist"
WINDOW = 500
WINDOWS = (100, 150, 200, 300, 500)
ALARMS_MAX, FOUND_MIN = 0.01, 0.95
# Images of one file: 39 MB.
FILE_IMAGES_MAX = 50_000
SCHEME = """inherits = ["vision/classifier"]
name = "mnist"
[data]
format = "idx"
images = "{data}/train-images-idx3-ubyte.gz"
labels = "{data}/train-labels-idx1-ubyte.gz"
test_images = "test-images"
test_labels = "test-labels"
split = {{ train = 0.9, validation = 0.1, by = "content" }}
[train]
epochs = 1
"""


def read(name):
    """The bytes of an IDX file, without its header."""
    return gzip.decompress((DATA / name).read_bytes())[16 if "images" in name else 8 :]


def write_images(path, images):
    path.write_bytes(struct.pack(">4I", 2051, len(images), SIDE, SIDE) + b"".join(images))


class Traffic:
    """Draws requests from a pool of images by class."""

    def __init__(self, pool, seed):
        self.pool, self.random = pool, random.Random(seed)
        self.by_class = [[image for image, label in pool if label == which] for which in range(10)]
        gauss = random.Random(seed + 1)
        self.noise = [gauss.gauss(0, 1) for _ in range(1 << 20)]

    def plain(self):
        return self.random.choice(self.pool)[0]

    def noisy(self, sigma):
        start = self.random.randrange(len(self.noise) - AREA)
        noise = self.noise[start : start + AREA]
        return bytes(
            min(255, max(0, int(pixel + sigma * each + 0.5))) for pixel, each in zip(self.plain(), noise, strict=True)
        )

    def shifted(self, pixels):
        image = self.plain()
        rows = (image[row * SIDE : (row + 1) * SIDE - pixels] for row in range(SIDE))
        return b"".join(bytes(pixels) + row for row in rows)

    def mixed(self, times):
        """The class 3 is `times` as frequent as it was, before all shares are made to sum to one again."""
        more = (times - 1) * len(self.by_class[3]) / len(self.pool)
        return self.random.choice(self.by_class[3]) if self.random.random() < more / (1 + more) else self.plain()


DRIFTS = {
    "noise, sigma 25": (Traffic.noisy, 25, True),
    "noise, sigma 12": (Traffic.noisy, 12, False),
    "noise, sigma 6": (Traffic.noisy, 6, False),
    "shift by 2 pixels": (Traffic.shifted, 2, True),
    "shift by 1 pixel": (Traffic.shifted, 1, False),
    "class 3 trebled": (Traffic.mixed, 3, True),
    "class 3 doubled": (Traffic.mixed, 2, False),
}


class Model:
    """A model with a profile of one half of the test part, in a folder of its own."""

    def __init__(self, binary, folder, seed):
        self.binary, self.folder = binary, folder
        folder.mkdir()
        images, labels = read("t10k-images-idx3-ubyte.gz"), read("t10k-labels-idx1-ubyte.gz")
        order = list(range(len(labels)))
        random.Random(seed).shuffle(order)
        examples = [(images[place * AREA : (place + 1) * AREA], labels[place]) for place in order]
        half = len(examples) // 2
        write_images(folder / "test-images", [image for image, _ in examples[:half]])
        chosen = bytes(label for _, label in examples[:half])
        (folder / "test-labels").write_bytes(struct.pack(">2I", 2049, half) + chosen)
        (folder / "mnist.toml").write_text(SCHEME.format(data=DATA))
        self.heirloom("run", "mnist.toml", "--quiet")
        self.traffic = Traffic(examples[half:], seed)

    def heirloom(self, *arguments, statuses=(0,)):
        done = subprocess.run([self.binary, *map(str, arguments)], cwd=self.folder, capture_output=True, check=False)
        require(done.returncode in statuses, f"status {done.returncode} of {arguments}: {done.stderr.decode()[-2000:]}")
        return done.stdout

    def log(self, name, draw, count):
        """Answers and logs `count` requests."""
        while count > 0:
            part = min(count, FILE_IMAGES_MAX)
            write_images(self.folder / "requests", [draw() for _ in range(part)])
            self.heirloom("infer", "mnist", "requests", "--json", "--log", name)
            count -= part

    def windows(self, name, length):
        """Every window of the log, and what the newest says."""
        found = self.heirloom("monitor", "mnist", "--log", name, "--window", length, "--json", statuses=(0, 3))
        document = json.loads(found)
        return document["past"], document


def undrifted(options, folder):
    """Every round has its own halves, so that a profile that happens to be odd does not decide."""
    alarms, windows, models = 0, 0, []
    for number in range(options.rounds):
        model = Model(options.heirloom, folder / f"round-{number}", 1000 + number)
        models.append(model)
        count = -(-options.windows // options.rounds)
        model.log("plain", model.traffic.plain, count * WINDOW)
        past, document = model.windows("plain", WINDOW)
        require(len(past) == count, f"{len(past)} windows of {count}")
        raised = [window for window in past if window["alarm"]]
        tests = len(document["newest"]["findings"])
        print(f"  round {number}: {len(raised)} of {count} windows, {tests} tests each", flush=True)
        for window in raised:
            print(f"    {', '.join(window['alarms'])}")
        alarms, windows = alarms + len(raised), windows + count
    share = alarms / windows
    print(f"undrifted: {alarms} of {windows} windows of {WINDOW} requests raise an alarm ({share:.2%})", flush=True)
    return models[0], share


def drifted(model, options):
    """The share of windows with an alarm, by their length."""
    shares = {}
    for name, (draw, degree, _) in DRIFTS.items():
        log = name.replace(" ", "-").replace(",", "")
        model.log(log, lambda: draw(model.traffic, degree), options.drifted)
        shares[name] = {}
        for length in WINDOWS:
            past, document = model.windows(log, length)
            shares[name][length] = sum(window["alarm"] for window in past) / len(past)
        told = ", ".join(f"{length}: {share:.0%}" for length, share in shares[name].items())
        first = next((f"{length} requests" for length, share in shares[name].items() if share >= FOUND_MIN), "not found")
        clearest = document["alarms"][0] if document["alarms"] else "nothing"
        print(f"{name}: {first} ({told}); {clearest}", flush=True)
    return shares


def check(options, folder):
    model, share = undrifted(options, folder)
    require(share <= ALARMS_MAX, f"{share:.2%} of the undrifted windows raise an alarm, at most {ALARMS_MAX:.0%} promised")
    for name, found in drifted(model, options).items():
        require(
            not DRIFTS[name][2] or found[WINDOW] >= FOUND_MIN,
            f"{name} is found in {found[WINDOW]:.0%} of the windows of {WINDOW}, in {FOUND_MIN:.0%} promised",
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heirloom", type=Path, default=REPOSITORY / "target" / "release" / "heirloom")
    parser.add_argument("--windows", type=int, default=1000, help="undrifted windows of all rounds together")
    parser.add_argument("--rounds", type=int, default=5, help="models and profiles")
    parser.add_argument("--drifted", type=int, default=30_000, help="requests of each drift")
    options = parser.parse_args()
    options.heirloom = options.heirloom.resolve()
    if not options.heirloom.exists():
        parser.error(f"{options.heirloom} is missing: run `cargo build --release` first")
    with tempfile.TemporaryDirectory(prefix="heirloom-drift-") as folder:
        try:
            check(options, Path(folder))
        except Failed as reason:
            print(f"FAILED {reason}")
            return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
