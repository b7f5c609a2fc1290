#!/usr/bin/env python3
"""Measures what inheriting is worth where labels are few, over five seeds, and checks it against what is promised.

    cargo build --release
    python3 bench/inherit/few_labels.py

Two stories. *More classes*: a parent knows the digits 0 to 4 from all their data; its child learns 0 to 9 from ten
labels of each. *Another source*: a parent knows MNIST; its child learns the digits of another scanner (`digits8x8`,
resized into MNIST's frame by its own preprocessing) from 1, 5 and 10 labels of each. Each child stands beside the same
network trained from scratch on the same examples, with the same preprocessing, for as many epochs.

Nothing is chosen on test data: epochs, rates and what is frozen stand below and are the same for all seeds, the last
epoch is kept, and how soon a child is as good as scratch at last is read from a validation part that chooses nothing.
Which way of training is held against the promise was settled with `--development`: other seeds, on the validation part.

Python's standard library is enough. Exit status 1 if a promise does not hold.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SEEDS = range(1, 6)
DEVELOPMENT_SEEDS = range(11, 16)
STUDENT_95 = 2.776  # two-sided, four degrees of freedom
OLD = ["0", "1", "2", "3", "4"]

NETWORK = """
format = 2
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.conv1]
op = "conv"
filters = 32
kernel = 3
padding = "same"
activation = "relu"
[model.layers.pool1]
op = "max_pool"
[model.layers.conv2]
op = "conv"
filters = 64
kernel = 3
padding = "same"
activation = "relu"
[model.layers.pool2]
op = "max_pool"
[model.layers.flatten]
op = "flatten"
[model.layers.hidden]
op = "dense"
units = 128
activation = "relu"
[model.layers.output]
op = "dense"
units = "classes"
"""

FEW = """
[train]
epochs = 30
batch_size = 10
keep = "last"
"""

# The pictures of another scanner stand in MNIST's frame: 20 x 20 pixels within a border of 4.
FRAME = """
[preprocess.frame]
op = "resize"
size = 28
pad = 4
before = "scale"
"""

# Most of the other scanner's digits judge; of the rest, half may be learned from and half only tells how soon.
OTHER = '[data]\nsource = "digits8x8"\nsplit = { train = 0.2, validation = 0.2, test = 0.6 }\n'


class Bench:
    """A folder with a store, and the program."""

    def __init__(self, heirloom, folder):
        self.heirloom, self.folder = heirloom, Path(folder)
        (self.folder / "network.toml").write_text(NETWORK)

    def run(self, name, text, *settings):
        """Runs the network with what `text` says; returns the report."""
        path = self.folder / f"{name}.toml"
        path.write_text(f'inherits = ["network.toml"]\n{text}')
        command = [self.heirloom, "run", str(path), "--json", "--quiet", "--store", str(self.folder / ".heirloom")]
        for setting in settings:
            command += ["--set", setting]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)


def child(parent, *train):
    """What a child of `parent` says beside what is said from scratch."""
    return [f'model.inherit="{parent}"', *train]


def accuracy(report, classes=None, part="test"):
    """Over a part of the data, or over its examples of some classes."""
    rows = report["metrics"][part]["per_class"]
    rows = [row for row in rows if classes is None or row["class"] in classes]
    return 100 * sum(row["recall"] * row["support"] for row in rows) / sum(row["support"] for row in rows)


def interval(values):
    """Mean and half the width of its 95 % interval."""
    return statistics.mean(values), STUDENT_95 * statistics.stdev(values) / math.sqrt(len(values))


def shown(values):
    mean, half = interval(values)
    return f"{mean:6.2f} ± {half:4.2f}"


def more_classes(bench, seeds=SEEDS, part="test"):
    """Digits 0 to 4, then 0 to 9."""
    data = f'[data]\nsource = "mnist"\nclasses = {json.dumps(OLD)}\nsplit = {{ train = 0.9, validation = 0.1 }}\n'
    before = accuracy(bench.run("old-digits", f"{data}[train]\nepochs = 3\n"), OLD, part)
    frozen, distilled = 'train.freeze=["conv1", "conv2"]', "train.distill={ weight = 1.0, temperature = 2.0 }"
    forms = {
        "scratch": [],
        "fine-tuned": child("old-digits"),
        "convolutions frozen": child("old-digits", frozen),
        "distilled": child("old-digits", distilled),
        "frozen and distilled": child("old-digits", frozen, distilled),
        "head first, distilled": child("old-digits", distilled, "train.unfreeze={ probe_epochs = 10 }"),
        "low rank, distilled": child("old-digits", distilled, "train.lora={ rank = 4 }"),
        "consolidated": child("old-digits", "train.ewc={}"),
        "drawn back": child("old-digits", "train.l2_sp=0.01"),
        "frozen and drawn back": child("old-digits", frozen, "train.l2_sp=0.01"),
        "frozen and consolidated": child("old-digits", frozen, "train.ewc={}"),
    }
    rows = {form: [] for form in forms}
    for seed in seeds:
        split = "split = { train = 0.9, validation = 0.1 }\n" if part == "validation" else ""
        data = f'[data]\nsource = "mnist"\n{split}examples_per_class = 10\n{FEW}'
        for form, settings in forms.items():
            name = f"ten-{form.replace(',', '').replace(' ', '-')}-{seed}"
            rows[form].append(bench.run(name, data, f"seed={seed}", *settings))
    print(f"\nDigits 0-4 ({before:.2f} % of them right) to 0-9 with ten labels of each class, {len(seeds)} seeds, {part} part\n")
    print("| | all ten, % | gained | 0-4, % | lost on 0-4 |\n|---|---|---|---|---|")
    scratch = [accuracy(report, part=part) for report in rows["scratch"]]
    found = {}
    for form, reports in rows.items():
        whole, kept = ([accuracy(report, classes, part) for report in reports] for classes in (None, OLD))
        gained, lost = [a - b for a, b in zip(whole, scratch)], [before - each for each in kept]
        found[form] = (statistics.mean(gained), statistics.mean(lost))
        print(f"| {form} | {shown(whole)} | {shown(gained)} | {shown(kept)} | {shown(lost)} |")
    gained, lost = found["frozen and distilled"]  # the best of the development seeds
    return [("ten classes: at least 10 points above scratch", gained >= 10), ("at most 4 points lost on 0-4", lost <= 4)]


def another_source(bench):
    """MNIST, then digits8x8."""
    mnist = '[data]\nsource = "mnist"\nsplit = { train = 0.9, validation = 0.1 }\n[train]\nepochs = 4\n'
    bench.run("mnist-digits", mnist)
    print(f"\nMNIST to digits8x8, {len(SEEDS)} seeds\n")
    print("| labels a class | scratch, % | inherited, % | gained | epochs to scratch's accuracy | share of its training time |\n|---|---|---|---|---|---|")
    promises = []
    for labels, least in ((1, 18), (5, 5), (10, 4)):
        scratch, inherited, epochs, times = [], [], [], []
        for seed in SEEDS:
            text = f"{OTHER}examples_per_class = {labels}\n{FRAME}{FEW}"
            name = f"other-{labels}-{seed}"
            without = bench.run(f"{name}-scratch", text, f"seed={seed}")
            report = bench.run(f"{name}-child", text, f"seed={seed}", *child("mnist-digits"))
            scratch.append(accuracy(without))
            inherited.append(accuracy(report))
            epochs.append(epochs_to(report, without))
            times.append(time_share(report, without, epochs[-1]))
        gained = [a - b for a, b in zip(inherited, scratch)]
        print(f"| {labels} | {shown(scratch)} | {shown(inherited)} | {shown(gained)} | {statistics.median(epochs):.0f} of 30 | {statistics.median(times):.3f} |")
        promises.append((f"digits8x8, {labels} labels: at least +{least}", statistics.mean(gained) >= least))
        promises.append((f"digits8x8, {labels} labels: scratch's accuracy in 1/5 of the time", statistics.median(times) <= 0.2))
    return promises


def epochs_to(report, without):
    """The epoch from which on the child is as good as scratch is at last, by the validation part."""
    goal = without["epochs"][-1]["validation_accuracy"]
    reached = [epoch["validation_accuracy"] >= goal for epoch in report["epochs"]]
    return next((number + 1 for number in range(len(reached)) if reached[number]), math.inf)


def time_share(report, without, epochs):
    """The child's training time until then, as a share of what scratch trained in all."""
    if math.isinf(epochs):
        return math.inf
    return sum(epoch["seconds"] for epoch in report["epochs"][:epochs]) / sum(epoch["seconds"] for epoch in without["epochs"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heirloom", default=str(REPOSITORY / "target/release/heirloom"))
    parser.add_argument("--development", action="store_true", help="other seeds, on the validation part, to settle the way of training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.heirloom, folder)
        if arguments.development:
            more_classes(bench, DEVELOPMENT_SEEDS, "validation")
            return
        promises = more_classes(bench) + another_source(bench)
    print()
    for promise, holds in promises:
        print(f"{'holds ' if holds else 'BROKEN'} {promise}")
    sys.exit(0 if all(holds for _, holds in promises) else 1)


if __name__ == "__main__":
    main()
