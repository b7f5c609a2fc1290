"""Runs jobs, each in a process of its own, pinned to as many cores as it has threads."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
REPOSITORY = FOLDER.parents[1]
PYTHON = REPOSITORY / "target" / "peers-venv" / "bin" / "python"
SCRATCH = REPOSITORY / "target" / "engine"

sys.path.insert(0, str(FOLDER.parent / "peers"))

import machine  # noqa: E402
import mnist  # noqa: E402

# A training step takes seconds at most; whoever hangs is ended.
LIMIT_SECONDS = 900


class Failed(Exception):
    """A job did not come to its end, in one line."""


def run(command, threads):
    """The one JSON document that `command` prints, with its peak memory and what others took of the machine meanwhile."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        busy, started = machine.busy_seconds(), time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command], cwd=REPOSITORY, env=mnist.environment(threads), stdin=subprocess.DEVNULL,
            stdout=out, stderr=log, preexec_fn=lambda: begin(threads),
        )
        # wait4 tells this child's own peak memory and CPU time.
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), log.seek(0)
        if child.returncode != 0:
            raise Failed(f"{Path(command[0]).name} ended with {ending(child.returncode)}: {last_line(log.read())}")
        result = json.loads(out.read())
    own = usage.ru_utime + usage.ru_stime
    others = None if busy is None else max(0.0, machine.busy_seconds() - busy - own) / (wall * os.cpu_count())
    return result | {"peak_mb": usage.ru_maxrss * 1024 / 1e6, "others_share": others}


def begin(threads):
    mnist.pin(threads)
    signal.alarm(LIMIT_SECONDS)


def ending(code):
    return f"status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def last_line(log):
    lines = [line for line in log.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("error", "E ")) or "Error" in line]
    return (errors or lines or ["it said nothing"])[-1].strip()[:200]


def heirloom_training(options, network, batch, threads):
    """Heirloom's training step of `network`: the same layers from the scheme language, on random pictures."""
    scheme = SCRATCH / f"{network.name}.toml"
    scheme.write_text(scheme_text(network, options))
    command = [options.heirloom, "profile", scheme, "--batch", batch, "--threads", threads, "--seconds", options.seconds]
    lengths = ",".join(map(str, network.input))
    return run([*command, "--input", lengths, "--classes", network.classes, "--json", "--quiet"], threads)


def scheme_text(network, options):
    # The data named here are not read: `--input` puts random examples in their place.
    if options.from_onnx:
        model = f'graph = "{network_file(network, options)}"'
    else:
        model = f'architecture = "{network.name}"'
    return (
        f'[data]\nsource = "mnist"\n[preprocess.scale]\nop = "scale"\ndivide_by = 255\n[model]\n{model}\n'
        '[train]\nepochs = 1\noptimizer = { name = "momentum", learning_rate = 0.01, momentum = 0.9 }\n'
    )


def network_file(network, options):
    """The peer's own network as an ONNX file, to be trained."""
    path = SCRATCH / f"{network.name}-{'x'.join(map(str, network.input))}-training.onnx"
    if not path.exists():
        export(network, path, "training", options.threads)
    return path


def export(network, path, form, threads):
    """Lets PyTorch write a network with weights from a fixed seed."""
    lengths = ",".join(map(str, network.input))
    command = [PYTHON, FOLDER / "network_file.py", "--network", network.name, "--input", lengths]
    run([*command, "--classes", network.classes, "--form", form, "--output", path], threads)


def heirloom_answers(options, row, threads, kept=None):
    command = [options.heirloom, "profile", answers_file(row, threads), "--batch", row.batch, "--threads", threads]
    command += ["--seconds", options.seconds, "--json", "--quiet"]
    return run(command + (["--keep", kept] if kept else []), threads)


def onnxruntime_answers(options, row, threads, kept):
    command = [PYTHON, FOLDER / "peer_onnxruntime.py", "--file", answers_file(row, threads), "--threads", threads]
    return run([*command, "--seconds", options.seconds, "--kept", kept], threads)


def answers_file(row, threads):
    path = SCRATCH / f"{row.name}-{'x'.join(map(str, row.input))}.onnx"
    if not path.exists():
        export(row, path, "answers", threads)
    return path


def peer_training(peer, options, network, batch, threads):
    script, variant = PEERS[peer]
    lengths = ",".join(map(str, network.input))
    command = [PYTHON, FOLDER / script, "--variant", variant, "--network", network.name, "--input", lengths]
    command += ["--classes", network.classes, "--batch", batch, "--threads", threads, "--seconds", options.seconds]
    return run(command, threads)


# Name: script and variant.
PEERS = {
    "PyTorch": ("peer_torch.py", "default"),
    "PyTorch, channels_last": ("peer_torch.py", "channels_last"),
    "Keras, train_on_batch": ("peer_keras.py", "train_on_batch"),
    "Keras, XLA": ("peer_keras.py", "xla"),
}
