#!/usr/bin/env python3
"""Measures whether `heirloom inherit rank` puts first what fine-tunes best: twelve parents, four tasks with few labels.

    cargo build --release
    apt-get install dataset-fashion-mnist
    python3 bench/inherit/rank.py --digits8x8 FILE

The parents know MNIST, parts and distortions of it (inverted, turned, half of the labels wrong, all labels wrong, few
examples), Fashion-MNIST and parts of it, and the digits of another scanner (UCI optical digits, 8 x 8, enlarged). The
tasks have 10 to 20 labels of each class, which no parent has seen. For each task and each draw of its labels all parents
and "from scratch" are ranked; then each of them is trained on the same labels for as many epochs, and measured on the
task's test part. Compared are the ranking of each draw and the accuracies' mean over the draws: Kendall's tau-b over the
parents, and how many points the first of the ranking (from scratch included: what `inherit = "auto"` takes) is below the
best of all.

How the scores are combined into an order was settled on other draws: 11 and 12 of other tasks (`--development`), and 1 to 3
of these. Reported are 31 to 39: one child of one draw varies by about a point, as much as most parents differ by, so the truth
needs the mean of many. Python's standard library is enough. Prints Markdown; exit status 1 if a promise does not hold.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path

import subsets
from few_labels import REPOSITORY, accuracy

FASHION = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
DIGITS = [str(digit) for digit in range(10)]
PARENT_EXAMPLES = 3000
TEST_EXAMPLES = 2000
TAU_MIN = 0.5
REGRET_MAX = 1.0

NETWORK = """
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.conv1]
op = "conv"
filters = 16
kernel = 3
padding = "same"
activation = "relu"
[model.layers.pool1]
op = "max_pool"
[model.layers.conv2]
op = "conv"
filters = 32
kernel = 3
padding = "same"
activation = "relu"
[model.layers.pool2]
op = "max_pool"
[model.layers.flatten]
op = "flatten"
[model.layers.hidden]
op = "dense"
units = 64
activation = "relu"
[model.layers.output]
op = "dense"
units = "classes"
"""


class Data:
    """Examples by where they come from; parents and tasks draw from halves that have nothing in common."""

    def __init__(self, arguments):
        mnist, fashion = subsets.read(arguments.mnist), subsets.read(arguments.fashion)
        other = subsets.digits8x8(arguments.digits8x8, 28)
        random.Random(0).shuffle(other)
        third = len(other) // 3
        self.parents = {"mnist": mnist["train"][:40000], "fashion": fashion["train"][:40000], "digits8x8": other[:third]}
        self.tasks = {"mnist": mnist["train"][40000:], "fashion": fashion["train"][40000:], "digits8x8": other[third : 2 * third]}
        self.tests = {"mnist": mnist["test"], "fashion": fashion["test"], "digits8x8": other[2 * third :]}


def inverted(pixels):
    return bytes(255 - pixel for pixel in pixels)


def turned(pixels):
    """By a quarter, against the clock."""
    return bytes(pixels[row * 28 + 27 - column] for column in range(28) for row in range(28))


def same(pixels):
    return pixels


def cut(examples, classes, change):
    """The examples of some classes, these numbered from 0, their pixels changed."""
    numbers = {label: number for number, label in enumerate(classes)}
    return [(change(pixels), numbers[label]) for pixels, label in examples if label in numbers]


def with_wrong_labels(examples, share, classes, draw):
    return [(pixels, draw.randrange(classes) if draw.random() < share else label) for pixels, label in examples]


# name: source, classes, distortion, examples, share of labels drawn at random
ALL, TOPS, OTHERS = range(10), [0, 2, 3, 4, 6], [1, 5, 7, 8, 9]
PARENTS = {
    "mnist": ("mnist", ALL, same, PARENT_EXAMPLES, 0),
    "mnist-0-4": ("mnist", range(5), same, PARENT_EXAMPLES, 0),
    "mnist-5-9": ("mnist", range(5, 10), same, PARENT_EXAMPLES, 0),
    "mnist-inverted": ("mnist", ALL, inverted, PARENT_EXAMPLES, 0),
    "mnist-turned": ("mnist", ALL, turned, PARENT_EXAMPLES, 0),
    "mnist-half-wrong": ("mnist", ALL, same, PARENT_EXAMPLES, 0.5),
    "mnist-all-wrong": ("mnist", ALL, same, PARENT_EXAMPLES, 1),
    "mnist-few": ("mnist", ALL, same, 200, 0),
    "fashion": ("fashion", ALL, same, PARENT_EXAMPLES, 0),
    "fashion-tops": ("fashion", TOPS, same, PARENT_EXAMPLES, 0),
    "fashion-others": ("fashion", OTHERS, same, PARENT_EXAMPLES, 0),
    "digits8x8": ("digits8x8", ALL, same, PARENT_EXAMPLES, 0),
}
# name: source, classes, distortion, labels a class
TASKS = {
    "digits8x8, 10 labels": ("digits8x8", ALL, same, 10),
    "MNIST 5-9, 10 labels": ("mnist", range(5, 10), same, 10),
    "Fashion-MNIST, 20 labels": ("fashion", ALL, same, 20),
    "MNIST turned, 10 labels": ("mnist", ALL, turned, 10),
}
DEVELOPMENT = {
    "MNIST, 5 labels": ("mnist", ALL, same, 5),
    "MNIST inverted, 10 labels": ("mnist", ALL, inverted, 10),
    "Fashion tops, 20 labels": ("fashion", TOPS, same, 20),
    "digits8x8 turned, 10 labels": ("digits8x8", ALL, turned, 10),
}


def class_names(source, classes):
    names = FASHION if source == "fashion" else DIGITS
    return [names[label] for label in classes]


class Bench:
    """A folder with a store, and the program."""

    def __init__(self, heirloom, folder):
        self.heirloom, self.folder = heirloom, Path(folder)

    def call(self, *words):
        command = [self.heirloom, *words, "--json", "--threads", "1", "--store", str(self.folder / ".heirloom")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def scheme(self, name, names, more, seed, parent=None):
        """The network over IDX files in the folder `name`."""
        keys = {"images": "train-images", "labels": "train-labels", "test_images": "test-images", "test_labels": "test-labels"}
        files = "".join(f'{key} = "{self.folder / name / file}"\n' for key, file in keys.items())
        text = f'format = 2\nname = "{name}{"-from-" + parent if parent else ""}"\nseed = {seed}\n[data]\nformat = "idx"\n'
        text += f"{files}class_names = {json.dumps(names)}\nsplit = {{ train = 1.0, validation = 0.0 }}\n{NETWORK}"
        if parent and parent != "scratch":
            text += f'[model]\ninherit = "{parent}@1"\n'
        path = self.folder / f"{name}-{parent}.toml"
        path.write_text(text + more)
        return str(path)


def make_parents(bench, data):
    for name, (source, classes, change, count, wrong) in PARENTS.items():
        draw = random.Random(name)
        examples = cut(data.parents[source], classes, change)
        draw.shuffle(examples)
        examples = with_wrong_labels(examples[:count], wrong, len(classes), draw)
        subsets.write(examples, bench.folder / name, "train")
        subsets.write(cut(data.tests[source], classes, change)[:TEST_EXAMPLES], bench.folder / name, "test")
        more = "[train]\nepochs = 5\nbatch_size = 32\n"
        report = bench.call("run", bench.scheme(name, class_names(source, classes), more, 1), "--quiet")
        print(f"parent {name}: {accuracy(report):.2f} % of its own test part", file=sys.stderr, flush=True)


def make_task(bench, data, folder, task, seed):
    source, classes, change, labels = task
    examples = cut(data.tasks[source], classes, change)
    random.Random(seed).shuffle(examples)
    seen, chosen = {}, []
    for pixels, label in examples:
        if seen.get(label, 0) < labels:
            seen[label] = seen.get(label, 0) + 1
            chosen.append((pixels, label))
    subsets.write(chosen, bench.folder / folder, "train")
    tests = cut(data.tests[source], classes, change)
    random.Random(0).shuffle(tests)
    subsets.write(tests[:TEST_EXAMPLES], bench.folder / folder, "test")


def tau_b(a, b):
    """Kendall's tau-b: agreement of two orders, ties counted out."""
    sign = lambda x: (x > 0) - (x < 0)  # noqa: E731
    pairs = [(sign(a[i] - a[j]), sign(b[i] - b[j])) for i, j in combinations(range(len(a)), 2)]
    both = sum(x * y for x, y in pairs)
    return both / (sum(x != 0 for x, _ in pairs) * sum(y != 0 for _, y in pairs)) ** 0.5


def measure(bench, data, tasks, seeds):
    """For each task the rankings, each a list of names with scores, and the accuracies of each candidate by draw."""
    found = {}
    more = "[train]\nepochs = 30\nbatch_size = 10\n"
    # All rankings before any child is registered: children are no candidates.
    for number, (name, task) in enumerate(tasks.items()):
        names = class_names(task[0], task[1])
        rankings = []
        for seed in seeds:
            folder = f"task{number}-{seed}"
            make_task(bench, data, folder, task, seed)
            rankings.append(bench.call("inherit", "rank", bench.scheme(folder, names, more, seed))["candidates"])
        found[name] = (rankings, {})
    for number, (name, task) in enumerate(tasks.items()):
        names = class_names(task[0], task[1])
        for candidate in ["scratch", *PARENTS]:
            for seed in seeds:
                path = bench.scheme(f"task{number}-{seed}", names, more, seed, candidate)
                report = bench.call("run", path, "--quiet")
                found[name][1].setdefault(candidate, []).append(accuracy(report))
        print(f"task {name}: done", file=sys.stderr, flush=True)
    return found


def name_of(candidate):
    return candidate["model"].split("@")[0] if candidate["model"] else "scratch"


def report(found):
    """The tables; whether the promises hold."""
    taus, taus_with_scratch, regrets = [], [], []
    print("| task | tau-b, parents | tau-b, with scratch | first of the ranking | its accuracy, % | best | its accuracy, % | regret, points |")
    print("|---|---|---|---|---|---|---|---|")
    for task, (rankings, accuracies) in found.items():
        means = {name: statistics.mean(values) for name, values in accuracies.items()}
        best = max(means, key=means.get)
        own, own_with_scratch, own_regrets, firsts = [], [], [], []
        for ranking in rankings:
            order = [name_of(candidate) for candidate in ranking]
            of = lambda names: tau_b([-order.index(name) for name in names], [means[name] for name in names])  # noqa: E731
            own.append(of(list(PARENTS)))
            own_with_scratch.append(of(order))
            own_regrets.append(means[best] - means[order[0]])
            firsts.append(order[0])
        taus += own
        taus_with_scratch += own_with_scratch
        regrets += own_regrets
        first = ", ".join(dict.fromkeys(firsts))
        shown = ", ".join(f"{means[name]:.2f}" for name in dict.fromkeys(firsts))
        print(
            f"| {task} | {statistics.mean(own):.2f} | {statistics.mean(own_with_scratch):.2f} | {first} | {shown} "
            f"| {best} | {means[best]:.2f} | {statistics.mean(own_regrets):.2f} |"
        )
    tau, regret = statistics.mean(taus), statistics.mean(regrets)
    print(f"| mean | {tau:.2f} | {statistics.mean(taus_with_scratch):.2f} | | | | | {regret:.2f} |")
    details(found)
    return [(f"tau-b {tau:.2f} is at least {TAU_MIN}", tau >= TAU_MIN), (f"regret {regret:.2f} is below {REGRET_MAX} point", regret < REGRET_MAX)]


def details(found):
    """Each candidate's accuracy and its mean place in the ranking, by task."""
    print("\nAccuracy in percent, mean of the draws; in brackets the mean place in the ranking.\n")
    print("| start from | " + " | ".join(found) + " |\n|---|" + "---|" * len(found))
    for candidate in ["scratch", *PARENTS]:
        cells = []
        for rankings, accuracies in found.values():
            places = [[name_of(each) for each in ranking].index(candidate) + 1 for ranking in rankings]
            cells.append(f"{statistics.mean(accuracies[candidate]):.2f} ({statistics.mean(places):.1f})")
        print(f"| {candidate} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heirloom", default=str(REPOSITORY / "target/release/heirloom"))
    parser.add_argument("--mnist", default=str(REPOSITORY / "datasets/mnist"), help="folder with the four published files")
    parser.add_argument("--fashion", default="/usr/share/datasets/fashion-mnist", help="folder with the four published files")
    parser.add_argument("--digits8x8", required=True, help="digits.csv.gz")
    parser.add_argument("--development", action="store_true", help="other tasks and draws, to settle how scores are combined")
    parser.add_argument("--save", help="a file for everything that was measured, as JSON")
    arguments = parser.parse_args()
    data = Data(arguments)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.heirloom, folder)
        make_parents(bench, data)
        tasks, seeds = (DEVELOPMENT, range(11, 13)) if arguments.development else (TASKS, range(31, 40))
        found = measure(bench, data, tasks, seeds)
    if arguments.save:
        Path(arguments.save).write_text(json.dumps(found))
    promises = report(found)
    print()
    for promise, holds in promises:
        print(f"{'holds ' if holds else 'BROKEN'} {promise}")
    sys.exit(0 if all(holds for _, holds in promises) else 1)


if __name__ == "__main__":
    main()
