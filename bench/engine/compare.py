#!/usr/bin/env python3
"""Heirloom's engine beside its peers, row by row, interleaved in one run; writes docs/performance.md.

    bench/peers/setup.sh && cargo build --release
    python3 bench/engine/compare.py                                  # everything but `accuracy`; an hour or two
    python3 bench/engine/compare.py --quick                          # one round of short measurements, prints only
    python3 bench/engine/compare.py --rows mnist,resnet18 --batches 32
    python3 bench/engine/compare.py --scaling                        # one thread beside two threads, no peers
    python3 bench/engine/compare.py --rows accuracy                  # ten seeds of the MNIST job beside PyTorch's

Every job is a process of its own, pinned to as many cores as it has threads. A round runs heirloom and each of its peers once,
one after the other, so that a slow minute of the machine meets all of them. A job's figure is the median of its steps, a
row's the median of its rounds; what counts is the ratio to the fastest peer in its fastest form.

Exit status: 0 measured, 1 a job failed or, with --require, a row missed what is asked, 2 wrong usage.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import accuracy
import jobs
import rows
import tables

import machine  # of bench/peers, which `jobs` puts on the path
import mnist


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = [name for name in rows.ALL if name not in rows.ONLY_WHEN_ASKED]
    parser.add_argument("--rows", default=",".join(usual), help=f"of {', '.join(rows.ALL)}")
    parser.add_argument("--batches", help="of the training rows, such as 1,32 (default: all of a row's)")
    parser.add_argument("--peers", default="; ".join(jobs.PEERS), help=f"of the training rows: {'; '.join(jobs.PEERS)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each job measures (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round of one second, batch 32; prints only")
    parser.add_argument("--scaling", action="store_true", help="one thread beside two threads, no peers")
    parser.add_argument("--from-onnx", action="store_true", help="heirloom trains the file that PyTorch exports, not its own layers")
    parser.add_argument("--seeds", type=int, default=10, help="of the row `accuracy`")
    parser.add_argument("--epochs", type=int, default=10, help="of the row `accuracy` (default 10)")
    parser.add_argument("--require", action="store_true", help="fail where a row misses what is asked")
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.md as it is")
    parser.add_argument("--heirloom", type=Path, default=jobs.REPOSITORY / "target" / "release" / "heirloom")
    options = parser.parse_args()
    options.rows = options.rows.split(",")
    options.peers = [peer.strip() for peer in options.peers.split(";") if peer.strip()]
    if options.quick:
        options.rounds, options.seconds, options.no_write = 1, 1.0, True
        options.batches = options.batches or "32"
    options.batches = options.batches and [int(batch) for batch in options.batches.split(",")]
    check(parser, options)
    return options


def check(parser, options):
    for name, known in (("--rows", rows.ALL), ("--peers", jobs.PEERS)):
        unknown = set(getattr(options, name[2:])) - set(known)
        if unknown:
            parser.error(f"{name}: no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if min(options.threads, options.rounds, options.epochs) < 1 or options.seconds <= 0:
        parser.error("--threads, --rounds, --epochs and --seconds are above 0")
    if not options.heirloom.exists():
        parser.error(f"{options.heirloom} is missing: run `cargo build --release` first")
    if not options.scaling and not jobs.PYTHON.exists():
        parser.error(f"{jobs.PYTHON} is missing: run bench/peers/setup.sh first")


def say(text):
    print(text, file=sys.stderr, flush=True)


def interleaved(title, work, options):
    """Runs each of `work` (name: function) once in every round. Returns each one's figures over the rounds, or its failure."""
    found = {name: [] for name in work}
    failed = {}
    for turn in range(1, options.rounds + 1):
        for name, job in work.items():
            if name in failed:
                continue
            try:
                run = job()
            except jobs.Failed as reason:
                failed[name] = str(reason)
                say(f"{title}  {name}: FAILED: {reason}")
                continue
            found[name].append(run)
            say(f"{title}  round {turn}/{options.rounds}  {name:24} {run['ms_median']:10.3f} ms")
    return {name: {"failed": failed[name]} if name in failed else figures(runs) for name, runs in found.items()}


def figures(runs):
    medians = [run["ms_median"] for run in runs]
    others = [run["others_share"] for run in runs if run.get("others_share") is not None]
    figure = {"median": statistics.median(medians), "least": min(medians), "most": max(medians)}
    figure |= {"peak_mb": max(run["peak_mb"] for run in runs), "others_share": max(others, default=None)}
    for key in ("version", "parameters", "largest_difference", "largest_answer", "cpu_level", "plan_bytes"):
        if key in runs[-1]:
            figure[key] = runs[-1][key]
    return figure | {"runs": [{key: run[key] for key in ("ms_median", "ms_least", "ms_most", "count")} for run in runs]}


def training(options):
    """A training step of each network at each batch."""
    found = []
    for network in (rows.TRAINING[name] for name in options.rows if name in rows.TRAINING):
        for batch in options.batches or network.batches:
            work = {"heirloom": lambda: jobs.heirloom_training(options, network, batch, options.threads)}
            for peer in options.peers:
                work[peer] = lambda peer=peer: jobs.peer_training(peer, options, network, batch, options.threads)
            jobs_found = interleaved(f"{network.name} x{batch}", work, options)
            asked = network.asked if batch == 32 else 1.0
            found.append({"row": network.name, "input": network.input, "batch": batch, "asked": asked, "jobs": jobs_found})
    return found


def inference(options):
    """Answers of each network, beside ONNX Runtime's on the same file and the same inputs."""
    found = []
    for name in (name for name in options.rows if name in rows.INFERENCE):
        row, kept = rows.INFERENCE[name], jobs.SCRATCH / f"kept-{name}"
        work = {
            "heirloom": lambda: jobs.heirloom_answers(options, row, options.threads, kept),
            "ONNX Runtime": lambda: jobs.onnxruntime_answers(options, row, options.threads, kept),
        }
        jobs_found = interleaved(name, work, options)
        found.append({"row": row.name, "input": row.input, "batch": row.batch, "asked": row.asked, "jobs": jobs_found})
    return found


def scaling(options):
    """Heirloom alone, on one thread and on two."""
    found = []
    for name in options.rows:
        if name in rows.TRAINING:
            network = rows.TRAINING[name]
            for batch in options.batches or network.batches:
                job = lambda threads: jobs.heirloom_training(options, network, batch, threads)
                found.append(scaled(f"{name}, training, batch {batch}", job, options))
        elif name in rows.INFERENCE:
            row = rows.INFERENCE[name]
            found.append(scaled(f"{name}, answers", lambda threads: jobs.heirloom_answers(options, row, threads), options))
        elif name == "mnist":
            found.append(scaled("the MNIST job, an epoch", lambda threads: mnist_epoch("heirloom", options, threads), options))
    return found


def scaled(title, job, options):
    work = {"1 thread": lambda: job(1), "2 threads": lambda: job(2)}
    return {"row": title, "asked": rows.SCALING_ASKED, "jobs": interleaved(title, work, options)}


def mnist_epoch(name, options, threads, epochs=2):
    """One run of the MNIST job; its last epoch counts."""
    scheme = jobs.REPOSITORY / "schemes" / "mnist.toml"
    terms = argparse.Namespace(threads=threads, epochs=epochs, heirloom=options.heirloom, scheme=scheme, limit=0)
    try:
        run = mnist.measure(name, terms)
    except SystemExit as reason:
        raise jobs.Failed(str(reason).splitlines()[0]) from None
    ms = run["seconds_per_60000"] * 1e3
    return run | {"ms_median": ms, "ms_least": ms, "ms_most": ms, "count": 1}


def mnist_job(options):
    """An epoch of the MNIST job beside every peer's, and the whole job from start to registered model."""
    work = {name: lambda name=name: mnist_epoch(name, options, options.threads) for name in mnist.JOBS}
    found = interleaved("mnist", work, options)
    whole = lambda: whole_run(mnist_epoch("heirloom", options, options.threads, epochs=10))
    return {"jobs": found, "whole": interleaved("mnist, start to registered", {"heirloom": whole}, options)["heirloom"]}


def whole_run(run):
    ms = run["wall_seconds"] * 1e3
    return run | {"ms_median": ms, "ms_least": ms, "ms_most": ms}


def measure(options):
    if options.scaling:
        return {"scaling": scaling(options)}
    sections = {"mnist": mnist_job(options)} if "mnist" in options.rows else {}
    sections |= {"training": training(options), "inference": inference(options)}
    if "accuracy" in options.rows:
        try:
            sections["accuracy"] = accuracy.compare(options, say)
        except jobs.Failed as reason:
            sys.exit(f"accuracy: {reason}")
    return {name: section for name, section in sections.items() if section}


def main():
    options = parse_arguments()
    jobs.SCRATCH.mkdir(parents=True, exist_ok=True)
    terms = {
        "machine": machine.describe(), "threads": options.threads, "rounds": options.rounds, "seconds": options.seconds,
        "heirloom": mnist.version_of(options.heirloom), "from_onnx": options.from_onnx,
    }
    sections = measure(options)
    path = jobs.SCRATCH / ("scaling.json" if options.scaling else "compare.json")
    path.write_text(json.dumps({"terms": terms, **sections}, indent=2) + "\n")
    drawn = {name: tables.DRAW[name](section, terms) for name, section in sections.items()}
    print("\n".join(drawn.values()))
    if not options.no_write:
        tables.write(jobs.REPOSITORY / "docs" / "performance.md", drawn)
    misses = tables.misses(sections)
    for miss in misses:
        say(f"missed: {miss}")
    sys.exit(1 if tables.failures(sections) or (options.require and misses) else 0)


if __name__ == "__main__":
    main()
