"""The program under test: starts it, waits for it, reads its one JSON document."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MNIST = REPOSITORY / "schemes" / "mnist.toml"
STOCK = REPOSITORY / "schemes" / "stock.toml"

# No run of these checks takes longer, also on a busy machine.
SECONDS_MAX = 1800


class Failed(Exception):
    """A promise that does not hold, in one sentence with the values."""


def require(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


class Process:
    """One run of the program. Its output goes to files, so that it never waits for a reader."""

    def __init__(self, command, before=None):
        self.command = [str(part) for part in command]
        self.out, self.log = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.started = time.perf_counter()
        self.child = subprocess.Popen(
            self.command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.log, preexec_fn=before
        )
        self.status = None

    def poll(self):
        """Whether it still runs. Keeps its status, CPU time and peak memory once it has ended."""
        if self.status is None:
            pid, status, usage = os.wait4(self.child.pid, os.WNOHANG)
            if pid:
                self.seconds = time.perf_counter() - self.started
                self.status = self.child.returncode = os.waitstatus_to_exitcode(status)
                self.cpu_seconds = usage.ru_utime + usage.ru_stime
                self.peak_mb = usage.ru_maxrss * 1024 / 1e6
        return self.status is None

    def wait(self):
        while self.poll():
            if time.perf_counter() - self.started > SECONDS_MAX:
                self.child.kill()
                raise Failed(f"no end after {SECONDS_MAX} s: {' '.join(self.command)}")
            time.sleep(0.001)
        return self

    def text(self, file):
        file.seek(0)
        return file.read().decode(errors="replace")

    def expect(self, status):
        """Waits for the end; any other exit status is a failure."""
        self.wait()
        require(
            self.status == status,
            f"status {self.status} instead of {status} from {' '.join(self.command)}\n{self.text(self.log)[-3000:]}",
        )
        return self

    def document(self):
        """Its JSON document, after status 0."""
        return json.loads(self.expect(0).text(self.out))


class Session:
    """One pass over the checks: the binary, a scratch folder, and what checks share."""

    def __init__(self, binary, folder, onnx_python, oms_python):
        self.binary, self.folder, self.onnx_python, self.oms_python = binary, Path(folder), onnx_python, oms_python
        self.main_store = self.folder / "main"
        self.short_documents = {}

    def start(self, *arguments, before=None):
        return Process([self.binary, *arguments], before)

    def run(self, scheme, store, *flags, before=None):
        """Starts `heirloom run SCHEME --json` on the store of that name."""
        return self.start("run", scheme, "--json", "--store", self.folder / store, *flags, before=before)

    def short(self, epochs, threads=2):
        """The document of the MNIST job cut to a few epochs, undisturbed, in a store of its own. Run once."""
        key = f"short-{epochs}-{threads}"
        if key not in self.short_documents:
            process = self.run(MNIST, key, "--threads", threads, "--set", f"train.epochs={epochs}")
            self.short_documents[key] = process.document()
        return self.short_documents[key]
