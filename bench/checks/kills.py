#!/usr/bin/env python3
"""SIGKILL at every write that a command makes to a store; afterwards the store is whole and the command can be repeated.

    cargo build --release
    python3 bench/checks/kills.py                     # every command, some minutes
    python3 bench/checks/kills.py promote push        # some

Each command runs once under strace, which lists the system calls by which it changes files below its world: a folder
with the stores and files that it reads and writes. Then the world is put back as it was, and the command runs again, once
for each of those calls, and is killed as it enters the call, before the call takes effect. The cuts therefore show every
state that lies between two writes, the one before the first included. (What a *power cut* leaves of bytes that were never
synced is another matter; crates/store/tests cover that with files that forget.)

After each cut
  - `store verify` finds no problem in any store of the world,
  - every store lists either what it listed before the command or what it lists after an undisturbed one,
  - the command, repeated, ends with status 0, and every store lists the same as after an undisturbed one.

Python's standard library, strace and the program are enough. Exit status: 0 all hold or strace may not trace here (said in
a line `skipped: ...`), 1 one does not hold, 2 wrong usage.
"""

import argparse
import collections
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from session import REPOSITORY, Failed, require

CUTS_MIN = 500

# The system calls that change files. Of `openat` those count that may create or truncate.
CALLS = (
    "openat creat write pwrite64 writev pwritev pwritev2 fsync fdatasync ftruncate truncate fallocate rename renameat "
    "renameat2 unlink unlinkat rmdir mkdir mkdirat link linkat symlink symlinkat copy_file_range sendfile chmod fchmod "
    "fchmodat"
).split()
CALLS_ON_PATHS = set("creat truncate rename unlink rmdir mkdir link symlink chmod".split())
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")

# Events that say what becomes of a model.
DECISIONS = {"promote", "rollback", "rollout", "withhold", "refuse"}

# What two executions of one command may tell differently.
CHANGING = {"created", "created_unix_ms", "unix_ms", "at", "when", "started", "finished", "seconds", "store", "run"}

ROWS = "\n".join(f"{i},{(i * 7) % 11},{(i * 13) % 17},{(3 * ((i * 7) % 11) + (i * 13) % 17) / 10}" for i in range(3000))
SCHEME = """inherits = ["tabular/regressor"]
name = "{name}"
[data]
source = "table.csv"
features = ["a", "b"]
target = "y"
[model.layers.hidden]
units = {units}
[train]
epochs = 1
"""


class World:
    """A folder with everything that a command touches, and a copy to put it back from."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.pristine = binary, folder / "world", folder / "pristine"
        self.log = folder / "calls"
        # Keys of listings that may be between the old state and the new one while a command is under way.
        self.between = set()
        self.folder.mkdir()

    def run(self, arguments, tracer=()):
        command = [*map(str, tracer), str(self.binary), *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def expect(self, arguments):
        """Runs a command that must succeed, and returns what it wrote to standard output."""
        done = self.run(arguments)
        words = " ".join(map(str, arguments))
        require(done.returncode == 0, f"status {done.returncode} from `heirloom {words}`\n{done.stderr[-2000:]}")
        return done.stdout

    def keep(self):
        shutil.copytree(self.folder, self.pristine, symlinks=True)

    def put_back(self):
        shutil.rmtree(self.folder)
        shutil.copytree(self.pristine, self.folder, symlinks=True)

    def stores(self):
        return sorted(path.parent for path in self.folder.glob("*/registry.db"))

    def listing(self, store, without=frozenset()):
        """What a store lists, of a command that decides also what was decided, without what differs from one execution to the next."""
        lists = [json.loads(self.expect([*words, "--json", "--store", store])) for words in (("model", "list"), ("scheme", "list"))]
        lists.append(self.decisions(store) if self.between and not without else [])
        return json.dumps(steady(lists, CHANGING | without))

    def decisions(self, store):
        events = json.loads(self.expect(["model", "history", "--json", "--store", store]))
        return [[event["action"], event["version"]] for event in events if event["action"] in DECISIONS]

    def listings(self, without=frozenset()):
        """By name of store. One that does not exist lists nothing."""
        return {store.name: self.listing(store, without) for store in self.stores()}

    def problems(self):
        found = []
        for store in self.stores():
            done = self.run(["store", "verify", "--json", "--store", store])
            document = json.loads(done.stdout or '{"problems": ["no document"]}')
            found += [f"{store.name}: {problem}" for problem in document["problems"]]
        return found


def steady(document, without):
    if isinstance(document, dict):
        return {key: steady(value, without) for key, value in document.items() if key not in without}
    if isinstance(document, list):
        return [steady(value, without) for value in document]
    return document


# ---- The commands: each prepares its world and returns the arguments


def write_scheme(world, name, units=2):
    (world.folder / "table.csv").write_text(f"id,a,b,y\n{ROWS}\n")
    path = world.folder / f"{name}.toml"
    path.write_text(SCHEME.format(name=name, units=units))
    return path.name


def trained(world, store="one", **changes):
    world.expect(["run", write_scheme(world, "tiny", **changes), "--quiet", "--store", store])


def fresh(world):
    """A run that makes its store."""
    return ["run", write_scheme(world, "tiny"), "--quiet", "--store", "one"]


def run(world):
    """A run whose stages are all there already, and which registers their model under another name."""
    trained(world)
    return ["run", write_scheme(world, "other"), "--quiet", "--store", "one"]


def register(world):
    trained(world)
    return ["scheme", "register", write_scheme(world, "other"), "--store", "one"]


def promote(world):
    trained(world)
    trained(world, units=3)
    world.expect(["model", "promote", "tiny@1", "--to", "production", "--store", "one"])
    return ["model", "promote", "tiny@2", "--to", "production", "--store", "one"]


def watch(world):
    """A look that finds new data: a run that inherits from what serves, its gates, its promotion."""
    path = world.folder / write_scheme(world, "tiny")
    path.write_text(path.read_text() + '[evaluate.gate.error]\nmetric = "rmse"\nmax = 1e9\n[deploy]\n')
    world.expect(["watch", path.name, "--once", "--quiet", "--store", "one"])
    table = world.folder / "table.csv"
    table.write_text(table.read_text() + "9001,1,2,0.5\n")
    # A model is registered first and promoted after that, by two transactions.
    world.between = {"aliases"}
    return ["watch", path.name, "--once", "--quiet", "--store", "one"]


def push(world):
    trained(world)
    trained(world, units=3)
    return ["store", "push", "two", "--store", "one"]


def pull(world):
    trained(world)
    trained(world, "two", units=3)
    return ["store", "pull", "one", "--store", "two"]


def import_(world):
    trained(world)
    world.expect(["model", "export", "tiny@1", "--format", "bundle", "--output", "tiny.bundle", "--store", "one"])
    trained(world, "two", units=3)
    return ["model", "import", "tiny.bundle", "--store", "two"]


def gc(world):
    """What the stages kept goes, the models stay."""
    for units in (2, 3, 4):
        trained(world, units=units)
    return ["store", "gc", "--stages", "--store", "one"]


COMMANDS = {"fresh": fresh, "run": run, "register": register, "promote": promote, "watch": watch, "push": push, "pull": pull, "import": import_, "gc": gc}


# ---- Cutting


def cuts(world, arguments):
    """The writes of one undisturbed execution: pairs of a system call and its number among those of its thread."""
    world.put_back()
    tracer = ["strace", "-f", "-y", "-qq", "-s", "0", "-o", world.log, "-e", f"trace={','.join(CALLS)}", "--"]
    done = world.run(arguments, tracer)
    require(done.returncode == 0, f"status {done.returncode} under strace\n{done.stderr[-2000:]}")
    counted, found = collections.Counter(), []
    for line in world.log.read_text().splitlines():
        entered = CALL.match(line)
        if not entered:
            continue
        thread, call, rest = entered.groups()
        counted[thread, call] += 1
        changes = call != "openat" or "O_CREAT" in rest or "O_TRUNC" in rest
        # Paths are written from the world's folder, descriptors with the whole path.
        if changes and (str(world.folder) in rest or call in CALLS_ON_PATHS):
            found.append((call, counted[thread, call]))
    return sorted(set(found))


def cut(world, arguments, call, number):
    """Kills the command as it enters the call. False if it ended before it came there."""
    world.put_back()
    tracer = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    done = world.run(arguments, [*tracer, "-e", f"inject={call}:signal=KILL:when={number}", "--"])
    if done.returncode == 0:
        return False
    require(done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), f"status {done.returncode}: {done.stderr[-500:]}")
    return True


def try_cut(world, arguments, before, after, place):
    problems = world.problems()
    require(not problems, f"{place}: store verify finds {problems[:3]}")
    if world.between:
        before, after_cut = ({name: without(text, world.between) for name, text in each.items()} for each in (before, after))
    else:
        after_cut = after
    for name, found in world.listings(frozenset(world.between)).items():
        whole = found in (before.get(name), after_cut[name]) or (name not in before and lists_nothing(found))
        require(whole, f"{place}: store `{name}` lists neither the old state nor the new one: {found[:500]}")
    repeated = world.run(arguments)
    require(repeated.returncode == 0, f"{place}: repeated: status {repeated.returncode}\n{repeated.stderr[-2000:]}")
    require(world.listings() == after, f"{place}: repeating the command does not end in the state of an undisturbed one")
    problems = world.problems()
    require(not problems, f"{place}: repeated: store verify finds {problems[:3]}")


def without(listing, keys):
    """A whole listing as World.listing would have it without these keys."""
    return json.dumps(steady([*json.loads(listing)[:2], []], keys))


def lists_nothing(listing):
    """Whether it is that of a store which was only just made."""
    return json.loads(listing)[0].get("models") == []


def check(binary, folder, prepare):
    """Cuts one command everywhere. Returns how many cuts were made."""
    world = World(binary, folder)
    arguments = prepare(world)
    before = world.listings()
    world.keep()
    places = cuts(world, arguments)
    after = world.listings()
    require(places, "the command writes nothing")
    made = 0
    for call, number in places:
        if cut(world, arguments, call, number):
            made += 1
            try_cut(world, arguments, before, after, f"killed at {call} number {number}")
    require(made >= len(places) * 0.9, f"only {made} of {len(places)} writes were reached")
    return made


def may_trace():
    """Why strace cannot do what these checks need, or nothing."""
    if not shutil.which("strace"):
        return "strace is not installed"
    with tempfile.TemporaryDirectory() as folder:
        command = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=mkdir:signal=KILL:when=1", "mkdir", f"{folder}/new"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL) and not Path(folder, "new").exists():
            return None
        return f"strace may not trace here: {done.stderr.strip()[:200] or done.returncode}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", help=", ".join(COMMANDS))
    parser.add_argument("--heirloom", type=Path, default=REPOSITORY / "target" / "release" / "heirloom")
    options = parser.parse_args()
    unknown = set(options.commands) - set(COMMANDS)
    if unknown:
        parser.error(f"no such command: {', '.join(sorted(unknown))}")
    if reason := may_trace():
        print(f"skipped: kills: {reason}")
        return
    total, failed = 0, 0
    scratch = REPOSITORY / "target" / "checks"
    scratch.mkdir(parents=True, exist_ok=True)
    for name in options.commands or COMMANDS:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            try:
                made = check(options.heirloom.resolve(), Path(folder), COMMANDS[name])
                total += made
                print(f"ok     {name} ({time.perf_counter() - started:.1f} s): {made} cuts", flush=True)
            except Failed as reason:
                failed += 1
                print(f"FAILED {name} ({time.perf_counter() - started:.1f} s): {reason}", flush=True)
    if not options.commands and total < CUTS_MIN:
        failed += 1
        print(f"FAILED only {total} cuts, at least {CUTS_MIN} promised")
    print(f"{total} cuts, {failed} commands failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
