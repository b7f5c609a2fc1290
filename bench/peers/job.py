"""What every peer's job shares: its arguments and its one line of JSON."""

import argparse
import json
import os
import time

# Before any framework is imported: no GPU, no chatter.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

BATCH_SIZE = 32
LEARNING_RATE = 1e-3
FILTERS, KERNEL, HIDDEN, CLASSES = 32, 3, 128, 10


def arguments(variants=("default",)):
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0, help="train on the first N images only")
    parser.add_argument("--variant", choices=variants, default=variants[0])
    return parser.parse_args()


class Epochs:
    """The seconds and images of each epoch, between `begin()` and `end(images)`."""

    def __init__(self):
        self.rows = []

    def begin(self):
        self.started = time.perf_counter()

    def end(self, images):
        self.rows.append({"seconds": time.perf_counter() - self.started, "images": images})


def report(version, epochs, accuracy, loss):
    """Prints the job's result in the shape that `heirloom run --json` has."""
    test = {"accuracy": float(accuracy), "loss": float(loss)}
    print(json.dumps({"version": version, "epochs": epochs.rows, "metrics": {"test": test}}), flush=True)
