"""What the peers' jobs share: arguments, the clock, and one line of JSON."""

import argparse
import json
import os
import statistics
import time

# Before any framework is imported: no GPU, no chatter.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

WARM_STEPS, STEPS_MIN = 3, 5
LEARNING_RATE, MOMENTUM = 0.01, 0.9


def lengths(text):
    return tuple(int(length) for length in text.split(","))


def arguments(variants):
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", choices=variants, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--input", type=lengths, required=True)
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    return parser.parse_args()


def measure(step, seconds):
    """Seconds of each call of `step`, which returns when the work is done; the first ones are not counted."""
    for _ in range(WARM_STEPS):
        step()
    times, started = [], time.perf_counter()
    while len(times) < STEPS_MIN or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    return times


def report(version, times, **more):
    """Prints the result with the keys that `heirloom profile --json` has."""
    ms = sorted(1e3 * each for each in times)
    figures = {"ms_median": statistics.median(ms), "ms_least": ms[0], "ms_most": ms[-1], "count": len(ms)}
    print(json.dumps({"version": version, **figures, **more}), flush=True)
