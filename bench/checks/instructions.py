#!/usr/bin/env python3
"""Do the hot kernels need more instructions than they did? Instructions are counted, so a busy machine does not matter.

    cargo test --workspace --no-run                    # builds the example; or `cargo test --workspace`
    python3 bench/checks/instructions.py               # compares with instructions.json
    python3 bench/checks/instructions.py --record      # writes it anew: with the change that explains the difference

Runs the workloads of `crates/engine/examples/counted_steps.rs` under valgrind's callgrind, on one thread, in the development
profile, in which the engine is optimised as in a release; and adds up what each file under `crates/engine/src/kernels` took
itself. Valgrind does not know AVX-512, so it is the AVX2 kernels that are counted. A count may grow by 2 %; with another
compiler than the recorded one by 10 %, for that alone moves counts by some percent.

Exit status: 0 nothing grew, or valgrind is missing, which is said; 1 something grew; 2 wrong usage.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("instructions.json")
EXAMPLE = REPOSITORY / "target" / "debug" / "examples" / "counted_steps"
TOLERANCE, TOLERANCE_OTHER_COMPILER = 0.02, 0.10
# A kernel with a smaller share of its workload is no hot one.
SHARE_MIN = 0.01


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", help="some of the example's (default: all)")
    parser.add_argument("--record", action="store_true", help="write instructions.json anew")
    parser.add_argument("--example", type=Path, default=EXAMPLE)
    options = parser.parse_args()
    if not options.example.exists():
        parser.error(f"{options.example} is missing: run `cargo test --workspace --no-run` first")
    known = subprocess.run([options.example], capture_output=True, text=True, check=True).stdout.split()
    unknown = set(options.workloads) - set(known)
    if unknown:
        parser.error(f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    options.workloads = options.workloads or known
    return options


def count(example, workload):
    """Instructions of each kernel file, by name."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", example, workload]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{workload} under valgrind ended with status {done.returncode}:\n{done.stderr[-2000:]}")
        print(f"{done.stdout.strip()}", flush=True)
        return by_file(out.read_text())


def by_file(text):
    """Adds up what functions took themselves, without those they called.

    Source: the format of callgrind's files. `fn=(ID) NAME` begins a function, `cfn=` is one that it calls; the name stands where
    the ID is first used. A line of numbers is a place in the source and a cost; the one behind `calls=` is what a call cost.
    """
    names, counts, current, of_call = {}, {}, None, False
    for line in text.splitlines():
        if line.startswith(("fn=", "cfn=")):
            kind, number, name = re.fullmatch(r"(c?fn)=\((\d+)\)(?: (.*))?", line).groups()
            if name is not None:
                names[number] = kernel_file(name)
            current = names[number] if kind == "fn" else current
        elif line.startswith("calls="):
            of_call = True
        elif line[:1] in "0123456789+-*" and line:
            if current and not of_call:
                counts[current] = counts.get(current, 0) + int(line.split()[1])
            of_call = False
    return counts


def kernel_file(name):
    """`conv` of `<engine::kernels::conv::Forward as engine::step::Step>::run`; `None` of what is no kernel."""
    found = re.search(r"engine::kernels::(\w+)", name)
    return found and found[1]


def compiler():
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout.strip()


def hot(counts):
    total = sum(counts.values())
    return {name: number for name, number in sorted(counts.items()) if number >= SHARE_MIN * total}


def compare(workload, counts, recorded, tolerance):
    """Says each hot kernel's count beside the recorded one; returns what grew."""
    grown = []
    pairs = {"all kernels": (sum(counts.values()), recorded["all kernels"])}
    pairs |= {name: (counts.get(name, 0), number) for name, number in recorded["hot"].items()}
    pairs |= {name: (number, None) for name, number in hot(counts).items() if name not in pairs}
    for name, (now, before) in pairs.items():
        change = "new" if not before else f"{now / before - 1:+.2%}"
        print(f"  {name:24} {now:>14,}  {change}")
        # A new hot kernel shows in the sum.
        if before and now > before * (1 + tolerance):
            grown.append(f"{workload}, {name}: {before:,} -> {now:,} instructions ({change})")
        elif before and now < before * (1 - tolerance):
            print(f"  {name} needs fewer instructions than recorded: `--record` keeps the gain")
    return grown


def main():
    options = parse_arguments()
    if shutil.which("valgrind") is None:
        print("skipped: no valgrind (Debian: apt-get install valgrind)")
        return
    here = compiler()
    kept = json.loads(RECORD.read_text()) if RECORD.exists() else {"compiler": here, "workloads": {}}
    tolerance = TOLERANCE if kept["compiler"] == here else TOLERANCE_OTHER_COMPILER
    if kept["compiler"] != here and not options.record:
        print(f"recorded with {kept['compiler']}, counted with {here}: {tolerance:.0%} are allowed")
    grown = []
    for workload in options.workloads:
        counts = count(options.example, workload)
        if not counts:
            sys.exit(f"{workload}: no kernel was found in what valgrind counted: does the example have symbols?")
        if options.record:
            kept["workloads"][workload] = {"all kernels": sum(counts.values()), "hot": hot(counts)}
        elif workload in kept["workloads"]:
            grown += compare(workload, counts, kept["workloads"][workload], tolerance)
        else:
            grown.append(f"{workload}: not recorded")
    if options.record:
        RECORD.write_text(json.dumps(kept | {"compiler": here}, indent=2) + "\n")
        print(f"wrote {RECORD.relative_to(REPOSITORY)}")
    for line in grown:
        print(f"grown: {line}")
    sys.exit(1 if grown else 0)


if __name__ == "__main__":
    main()
