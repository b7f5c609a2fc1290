"""Reads MNIST: gzip-packed IDX files of unsigned bytes, into numpy arrays."""

import gzip
import struct
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "datasets" / "mnist"
TEST_IMAGES = FOLDER / "t10k-images-idx3-ubyte.gz"
TEST_LABELS = FOLDER / "t10k-labels-idx1-ubyte.gz"


def read(path):
    """The array in one IDX file: [count] for labels, [count, row, column] for images."""
    data = gzip.decompress(Path(path).read_bytes())
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{path}: no IDX file of unsigned bytes")
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def training(limit):
    """Images as floats in 0..1 [count, row, column] and labels; the first `limit`, or all for 0."""
    images = read(FOLDER / "train-images-idx3-ubyte.gz")[: limit or None]
    labels = read(FOLDER / "train-labels-idx1-ubyte.gz")[: limit or None]
    return scaled(images), labels.astype(np.int64)


def testing():
    """The 10,000 test images as floats in 0..1 and their labels."""
    return scaled(read(TEST_IMAGES)), read(TEST_LABELS).astype(np.int64)


def scaled(images):
    return images.astype(np.float32) / np.float32(255)
