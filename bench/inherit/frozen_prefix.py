#!/usr/bin/env python3
"""What it saves to run frozen layers once: epochs of a new head on a deep frozen network, with and without what they give
being kept.

    cargo build --release
    python3 bench/inherit/frozen_prefix.py

A parent with eight convolutions and batch normalisations learns one epoch of MNIST; its child has the same network, all
frozen but the last layer. Both children must come out with the same weights to the byte. Promised: an epoch at least ten
times faster. Python's standard library is enough. Exit status 1 if a promise does not hold.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TIMES_MIN = 10
EPOCHS = 4


def network():
    """Four stages of two convolutions, each with its normalisation, halved in between."""
    layers = ['[preprocess.scale]\nop = "scale"\ndivide_by = 255\n']
    for stage, filters in enumerate((16, 32, 64, 64), 1):
        for part in "ab":
            layers.append(f'[model.layers.conv{stage}{part}]\nop = "conv"\nfilters = {filters}\nkernel = 3\npadding = "same"\nbias = false\n')
            layers.append(f'[model.layers.norm{stage}{part}]\nop = "batch_norm"\n[model.layers.relu{stage}{part}]\nop = "relu"\n')
        if stage < 4:
            layers.append(f'[model.layers.pool{stage}]\nop = "max_pool"\n')
    layers.append('[model.layers.flatten]\nop = "flatten"\n[model.layers.output]\nop = "dense"\nunits = "classes"\n')
    return "".join(layers)


def run(options, folder, name, more, store):
    path = Path(folder) / f"{name}.toml"
    data = f"[data]\nsource = \"mnist\"\nexamples_per_class = {options.examples}\nsplit = {{ train = 1.0, validation = 0.0 }}\n"
    path.write_text(f'format = 2\nname = "{name}"\n{data}{network()}{more}')
    command = [options.heirloom, "run", str(path), "--json", "--quiet", "--store", str(Path(folder) / store)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heirloom", default=str(REPOSITORY / "target/release/heirloom"))
    parser.add_argument("--examples", type=int, default=400, help="labels of each class")
    options = parser.parse_args()
    child = f'[model]\ninherit = "deep"\nfresh = ["output"]\n[train]\nepochs = {EPOCHS}\nfreeze = ["conv*", "norm*"]\n'
    with tempfile.TemporaryDirectory() as folder:
        run(options, folder, "deep", "[train]\nepochs = 1\n", "kept")
        # In one store the second training would be found done.
        shutil.copytree(Path(folder) / "kept", Path(folder) / "anew")
        seconds, digests = {}, {}
        for kept in (False, True):
            report = run(options, folder, "head", f"{child}cache_frozen = {str(kept).lower()}\n", "kept" if kept else "anew")
            seconds[kept] = statistics.median(epoch["seconds"] for epoch in report["epochs"])
            digests[kept] = report["digest"]
    times = seconds[False] / seconds[True]
    print(f"seconds an epoch of {10 * options.examples} images: {seconds[False]:.3f} anew, {seconds[True]:.4f} kept: {times:.0f} times faster")
    same = digests[False] == digests[True]
    print(f"{'holds ' if same else 'BROKEN'} the same weights to the byte")
    print(f"{'holds ' if times >= TIMES_MIN else 'BROKEN'} at least {TIMES_MIN} times faster an epoch")
    sys.exit(0 if same and times >= TIMES_MIN else 1)


if __name__ == "__main__":
    main()
