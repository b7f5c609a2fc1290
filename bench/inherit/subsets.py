"""IDX files cut from MNIST: some classes, some examples of each.

`subset(parts, folder, classes, each, seed)` writes `train-images`, `train-labels`, `test-images` and `test-labels`
of the given classes into `folder`: `each` training examples of every class, drawn by `seed`, or all of them with
`each=None`; the test part is whole.
"""

import gzip
import math
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
    side = math.isqrt(len(examples[0][0]))
    header = struct.pack(">IIII", 0x803, len(examples), side, side)
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


def digits8x8(path, size=8):
    """The examples of digits8x8 as (pixels, label): levels 0 to 16 become 0 to 255; `size` 28 enlarges them bilinearly
    into the middle 20 x 20 pixels, as MNIST's digits stand."""
    examples = []
    for line in gzip.decompress(Path(path).read_bytes()).decode().splitlines():
        cells = line.split(",")
        if not cells[0].replace(".", "", 1).isdigit():
            continue
        levels = [float(cell) * 255 / 16 for cell in cells[:64]]
        rows = [levels[row * 8 : row * 8 + 8] for row in range(8)]
        examples.append((bytes(round(level) for row in enlarge(rows, size) for level in row), int(float(cells[64]))))
    return examples


def enlarge(rows, size):
    """A square image in another size: bilinear into the middle, with a border of 4 where it grows to 28."""
    if size == 8:
        return rows
    inner, border = size - 8, 4
    at = lambda index: min(max((index + 0.5) * 8 / inner - 0.5, 0), 7)  # noqa: E731
    image = [[0.0] * size for _ in range(size)]
    for y in range(inner):
        for x in range(inner):
            fy, fx = at(y), at(x)
            y0, x0 = min(int(fy), 6), min(int(fx), 6)
            dy, dx = fy - y0, fx - x0
            top = rows[y0][x0] * (1 - dx) + rows[y0][x0 + 1] * dx
            bottom = rows[y0 + 1][x0] * (1 - dx) + rows[y0 + 1][x0 + 1] * dx
            image[y + border][x + border] = top * (1 - dy) + bottom * dy
    return image
