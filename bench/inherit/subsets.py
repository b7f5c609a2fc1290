"""IDX files cut from MNIST: some classes, some examples of each.

`subset(parts, folder, classes, each, seed)` writes `train-images`, `train-labels`, `test-images` and `test-labels`
of the given classes into `folder`: `each` training examples of every class, drawn by `seed`, or all of them with
`each=None`; the test part is whole.
"""

import gzip
import random
import struct
from pathlib import Path

NAMES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def read(folder):
    """Both parts of the published files in `folder`: a list of (pixels, label) each."""
    parts = {}
    for part, (images, labels) in NAMES.items():
        pixels = gzip.decompress((Path(folder) / images).read_bytes())
        _, count, height, width = struct.unpack(">IIII", pixels[:16])
        numbers = gzip.decompress((Path(folder) / labels).read_bytes())[8:]
        size = height * width
        parts[part] = [(pixels[16 + i * size : 16 + (i + 1) * size], numbers[i]) for i in range(count)]
    return parts


def write(examples, folder, part):
    """Writes examples as IDX."""
    folder.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">IIII", 0x803, len(examples), 28, 28)
    (folder / f"{part}-images").write_bytes(header + b"".join(pixels for pixels, _ in examples))
    header = struct.pack(">II", 0x801, len(examples))
    (folder / f"{part}-labels").write_bytes(header + bytes(label for _, label in examples))


def subset(parts, folder, classes, each=None, seed=1):
    """Writes the given classes; `each` training examples of every class."""
    folder = Path(folder)
    chosen = []
    for label in classes:
        own = [example for example in parts["train"] if example[1] == label]
        chosen += own if each is None else random.Random(f"{seed} {label}").sample(own, each)
    random.Random(seed).shuffle(chosen)
    write(chosen, folder, "train")
    write([example for example in parts["test"] if example[1] in classes], folder, "test")
