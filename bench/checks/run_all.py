#!/usr/bin/env python3
"""Runs the promises that need whole runs, says each outcome, and ends with `N passed, N failed`.

    cargo build --release
    bench/peers/setup.sh onnx                          # for the agreement with ONNX Runtime
    bench/peers/setup.sh oms                           # for signatures and bills of materials
    bench/peers/setup.sh serving                       # for the server's clients
    bench/peers/setup.sh packaging                     # for manifests
    python3 bench/checks/run_all.py                    # all, some minutes
    python3 bench/checks/run_all.py threads stock      # some
    python3 bench/checks/run_all.py --seeds            # and the main job from seeds 1, 2 and 3

Python's standard library is enough. Exit status: 0 all hold, 1 one does not, 2 wrong usage.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import inheriting
import packaging
import promises
import serving
import signing
from session import REPOSITORY, Failed, Session

CHECKS = (
    promises.help_is_quick,
    promises.main_job,
    promises.onnx_agreement,
    promises.second_run,
    inheriting.head_only,
    promises.threads,
    promises.kill_and_resume,
    promises.kill_at_the_start,
    promises.full_disk,
    promises.locked_store,
    promises.stock,
    signing.signatures,
    signing.bill_of_materials,
    serving.triton_client,
    serving.encrypted,
    serving.malformed,
    serving.description,
    serving.switches,
    serving.killed_switches,
    packaging.executable_alone,
    packaging.folder_elsewhere,
    packaging.image_layout,
    packaging.manifests,
)

# What needs the store that another check fills.
NEEDS = {"onnx_agreement": "main_job", "head_only": "main_job", "killed_switches": "switches"}
NEEDS |= dict.fromkeys(("triton_client", "encrypted", "malformed", "description"), "main_job")
NEEDS |= dict.fromkeys(("executable_alone", "folder_elsewhere", "image_layout", "manifests"), "main_job")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", help=", ".join(check.__name__ for check in CHECKS))
    parser.add_argument("--seeds", action="store_true", help="also the main job from seeds 1, 2 and 3")
    parser.add_argument("--heirloom", type=Path, default=REPOSITORY / "target" / "release" / "heirloom")
    parser.add_argument("--onnx-python", type=Path, default=REPOSITORY / "target" / "onnx-venv" / "bin" / "python")
    parser.add_argument("--oms-python", type=Path, default=REPOSITORY / "target" / "oms-venv" / "bin" / "python")
    options = parser.parse_args()
    unknown = set(options.checks) - {check.__name__ for check in CHECKS}
    if unknown:
        parser.error(f"no such check: {', '.join(sorted(unknown))}")
    if not options.heirloom.exists():
        parser.error(f"{options.heirloom} is missing: run `cargo build --release` first")
    return options


def chosen(options):
    wanted = set(options.checks) | {NEEDS[name] for name in options.checks if name in NEEDS}
    checks = [check for check in CHECKS if not wanted or check.__name__ in wanted]
    return checks + [promises.seeds] * options.seeds


def holds(check, session):
    """Runs one check and says what came of it."""
    started = time.perf_counter()
    try:
        verdict, remark = "ok", check(session)
    except Failed as reason:
        verdict, remark = "FAILED", str(reason)
    except (KeyError, TypeError, IndexError, json.JSONDecodeError) as reason:
        verdict, remark = "FAILED", f"the JSON document is not as promised: {reason!r}"
    print(f"{verdict:6} {check.__name__} ({time.perf_counter() - started:.1f} s): {remark}", flush=True)
    return verdict == "ok"


def main():
    options = parse_arguments()
    scratch = REPOSITORY / "target" / "checks"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        session = Session(options.heirloom.resolve(), folder, options.onnx_python, options.oms_python)
        outcomes = [holds(check, session) for check in chosen(options)]
    passed = sum(outcomes)
    print(f"{passed} passed, {len(outcomes) - passed} failed")
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()
