#!/usr/bin/env python3
"""The MNIST job in heirloom and in its peers, interleaved in one run; prints times and ratios of medians.

Each round runs every job once, one after the other, each in a process of its own, pinned to as many cores as it
has threads. A job trains --epochs epochs; its last epoch counts (the first ones warm it up), as seconds per 60,000
images, since heirloom trains on the 90 % of the training split and the peers on all of it. Evaluation is not timed.

    bench/peers/setup.sh && cargo build --release
    python3 bench/peers/mnist.py --threads 2 --rounds 3

Exit status: 0 measured, 1 a job failed or --require was missed, 2 wrong usage.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

FOLDER = Path(__file__).resolve().parent
REPOSITORY = FOLDER.parents[1]
PYTHON = REPOSITORY / "target" / "peers-venv" / "bin" / "python"
IMAGES = 60_000

# Name, what it is, script, variant. "heirloom" is no script.
JOBS = {
    "heirloom": ("Heirloom", None, None),
    "torch": ("PyTorch, default form", "job_torch.py", "default"),
    "torch-tuned": ("PyTorch, fused Adam, channels_last", "job_torch.py", "tuned"),
    "keras": ("Keras, model.fit", "job_keras.py", "default"),
    "jax": ("JAX, jitted step", "job_jax.py", "default"),
}
DEFAULT_JOBS = "heirloom,torch,torch-tuned,keras"

# The peers in the form a user writes first; the ratio asked of heirloom is against the faster one.
DEFAULT_FORMS = ("torch", "keras")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="epochs per job; the last one counts")
    parser.add_argument("--jobs", default=DEFAULT_JOBS, help=f"of {', '.join(JOBS)} (default {DEFAULT_JOBS})")
    parser.add_argument("--heirloom", type=Path, default=REPOSITORY / "target" / "release" / "heirloom")
    parser.add_argument("--scheme", type=Path, default=REPOSITORY / "schemes" / "mnist.toml")
    parser.add_argument("--limit", type=int, default=0, help="peers train on the first N images: to try the script")
    parser.add_argument("--require", type=float, help="fail unless heirloom / the faster default form is at most this")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "target" / "peers" / "mnist.json")
    parser.add_argument("--markdown", type=Path, default=REPOSITORY / "target" / "peers" / "mnist.md")
    options = parser.parse_args()
    options.jobs = options.jobs.split(",")
    unknown = [name for name in options.jobs if name not in JOBS]
    if unknown:
        parser.error(f"no such job: {', '.join(unknown)}; there are {', '.join(JOBS)}")
    if min(options.threads, options.rounds, options.epochs) < 1:
        parser.error("--threads, --rounds and --epochs start at 1")
    if "heirloom" in options.jobs and not options.heirloom.exists():
        parser.error(f"{options.heirloom} is missing: run `cargo build --release` first")
    if set(options.jobs) - {"heirloom"} and not PYTHON.exists():
        parser.error(f"{PYTHON} is missing: run bench/peers/setup.sh first")
    return options


def command(name, options, store):
    if name == "heirloom":
        return [
            options.heirloom, "run", options.scheme, "--threads", options.threads, "--json", "--store", store,
            "--set", f"train.epochs={options.epochs}",
        ]
    _, script, variant = JOBS[name]
    return [
        PYTHON, FOLDER / script, "--threads", options.threads, "--epochs", options.epochs, "--limit", options.limit,
        "--variant", variant,
    ]


def environment(threads):
    """Every library's own name for the number of threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return os.environ | {name: str(threads) for name in names}


def pin(threads):
    """Leaves the child no more cores than it has threads, whatever its pools believe."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def measure(name, options):
    """Runs one job to its end and returns its result with its memory and the machine's other work."""
    with tempfile.TemporaryDirectory() as store, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        busy, started = machine.busy_seconds(), time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command(name, options, Path(store) / "store")],
            cwd=REPOSITORY, env=environment(options.threads), stdin=subprocess.DEVNULL, stdout=out, stderr=log,
            preexec_fn=lambda: pin(options.threads),
        )
        # wait4 tells this child's own peak memory and CPU time.
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), log.seek(0)
        if child.returncode != 0:
            sys.exit(f"{name} ended with status {child.returncode}:\n{log.read().decode(errors='replace')[-4000:]}")
        result = json.loads(out.read())
    own = usage.ru_utime + usage.ru_stime
    others = None if busy is None else max(0.0, machine.busy_seconds() - busy - own)
    epoch = result["epochs"][-1]
    return {
        "version": result.get("version"),
        "seconds_per_60000": epoch["seconds"] * IMAGES / epoch["images"],
        "epochs": [{key: row[key] for key in ("seconds", "images")} for row in result["epochs"]],
        "test": {key: result["metrics"]["test"][key] for key in ("accuracy", "loss")},
        "peak_mb": usage.ru_maxrss * 1024 / 1e6,
        "wall_seconds": wall,
        "cpu_seconds": own,
        "others_share": None if others is None else others / (wall * os.cpu_count()),
    }


def measure_all(options):
    runs = {name: [] for name in options.jobs}
    for turn in range(1, options.rounds + 1):
        for name in options.jobs:
            run = measure(name, options)
            runs[name].append(run)
            print(f"round {turn}/{options.rounds}  {name:12} {run['seconds_per_60000']:7.2f} s", file=sys.stderr)
    return runs


def summarise(name, runs, heirloom_version):
    seconds = [run["seconds_per_60000"] for run in runs]
    others = [run["others_share"] for run in runs if run["others_share"] is not None]
    return {
        "name": name,
        "title": JOBS[name][0],
        "version": runs[-1]["version"] or heirloom_version,
        "median": statistics.median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "peak_mb": max(run["peak_mb"] for run in runs),
        "others_share": max(others, default=None),
        "test": runs[-1]["test"],
    }


def version_of(binary):
    return subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def markdown(summaries, about, options):
    """The measured table, its machine and its terms, ready for docs/performance.md."""
    ours = next((row["median"] for row in summaries if row["name"] == "heirloom"), None)
    header = ["job", "version", "s per 60,000 images (least to most)", "heirloom / peer", "peak MB", "others' CPU"]
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    for row in summaries:
        ratio = "" if ours is None or row["name"] == "heirloom" else f"{ours / row['median']:.3f}"
        others = "unknown" if row["others_share"] is None else f"{row['others_share']:.0%}"
        seconds = f"{row['median']:.2f} ({row['least']:.2f} to {row['most']:.2f})"
        cells = [row["title"], row["version"], seconds, ratio, f"{row['peak_mb']:.0f}", others]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Median of {options.rounds} rounds, jobs interleaved, {options.threads} threads, batch 32, the last of "
        f"{options.epochs} epochs of each job. Others' CPU: the most that other processes took of the machine during "
        "one job.",
        f"Machine: {about['cpu']} (family {about['family']}, model {about['model']}), {about['cores']} cores, "
        f"{about['memory_gib']} GiB, {' '.join(about['features'])}; {about['kernel']}.",
    ]
    if options.limit:
        lines.append(f"The peers trained on the first {options.limit} images only: a trial of the script, no result.")
    return "\n".join(lines) + "\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def required(summaries, limit):
    """Whether heirloom's median is at most `limit` times the faster default form's; says so."""
    medians = {row["name"]: row["median"] for row in summaries}
    peers = [medians[name] for name in DEFAULT_FORMS if name in medians]
    if "heirloom" not in medians or not peers:
        return limit is None
    ratio = medians["heirloom"] / min(peers)
    print(f"heirloom / the faster default form: {ratio:.3f}" + ("" if limit is None else f" (at most {limit} asked)"))
    return limit is None or ratio <= limit


def main():
    options = parse_arguments()
    about = machine.describe()
    heirloom_version = version_of(options.heirloom) if "heirloom" in options.jobs else None
    runs = measure_all(options)
    summaries = [summarise(name, runs[name], heirloom_version) for name in options.jobs]
    table = markdown(summaries, about, options)
    document = {
        "machine": about, "threads": options.threads, "rounds": options.rounds, "epochs": options.epochs,
        "limit": options.limit or None, "summary": summaries, "runs": runs,
    }
    write(options.json, json.dumps(document, indent=2) + "\n")
    write(options.markdown, table)
    print(table)
    sys.exit(0 if required(summaries, options.require) else 1)


if __name__ == "__main__":
    main()
