#!/usr/bin/env python3
"""Times questions to a large store as whole processes of `heirloom`, and prints a table of medians.

    cargo build --release
    cargo bench -p store --bench registry -- --keep target/large-store     # makes the store: 100,000 versions
    python3 bench/store/processes.py target/large-store

Python's standard library is enough. The answers are written to nowhere: what is timed is the program.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GENERATIONS = 5

QUESTIONS = (
    ("`model show NAME@ALIAS`", ("model", "show", "model-7@production")),
    ("`model list`, 100 models", ("model", "list")),
    ("`model list NAME`, 1,000 versions", ("model", "list", "model-7")),
    ("`model lineage`, 999 ancestors", ("model", "lineage", "model-7@1000")),
    ("`model lineage --json`, 999 ancestors", ("model", "lineage", "model-7@1000", "--json")),
    ("`model lineage --descendants`, 999 of them", ("model", "lineage", "model-7@1", "--descendants")),
    ("`model recall --dry-run`, 999 descendants", ("model", "recall", "model-7@1", "--dry-run")),
    ("`store stats`", ("store", "stats")),
)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder that holds .heirloom")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--heirloom", type=Path, default=REPOSITORY / "target" / "release" / "heirloom")
    return parser.parse_args()


def milliseconds(command, folder):
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1e3


def chain(folder):
    """Writes five generations of schemes; returns the youngest."""
    parent = "mnist@1"
    for generation in range(1, GENERATIONS):
        path = folder / f"generation{generation}.toml"
        path.write_text(f'inherits = ["{parent}"]\n[train]\nepochs = {generation}\n')
        parent = f"./{path.name}"
    return path.name


def main():
    options = parse_arguments()
    heirloom = options.heirloom.resolve()
    with tempfile.TemporaryDirectory() as folder:
        questions = [(name, arguments, options.folder) for name, arguments in QUESTIONS]
        youngest = chain(Path(folder))
        questions.append((f"`scheme show`, {GENERATIONS} generations", ("scheme", "show", youngest), folder))
        times = {name: [] for name, _, _ in questions}
        for _ in range(options.rounds):
            for name, arguments, place in questions:
                times[name].append(milliseconds([heirloom, *arguments], place))
    print(f"| whole process | ms, median of {options.rounds} (least to most) |\n|---|---|")
    for name, found in times.items():
        print(f"| {name} | {statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f}) |")


if __name__ == "__main__":
    sys.exit(main())
