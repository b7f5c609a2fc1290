"""The promises that need whole runs, one function each. What it returns is said beside its name."""

import math
import resource
import signal
import subprocess
import time

from session import MNIST, REPOSITORY, STOCK, Failed, require

ACCURACY_MIN, LOSS_MAX = 0.9818, 0.0903
MEMORY_MB_MAX = 500
HELP_MS_MAX = 20


def main_job(session):
    """All epochs of schemes/mnist.toml reach the published accuracy and loss, in little memory."""
    process = session.run(MNIST, session.main_store)
    document = process.document()
    test = document["metrics"]["test"]
    require(test["accuracy"] >= ACCURACY_MIN, f"test accuracy {test['accuracy']}, at least {ACCURACY_MIN} promised")
    require(test["loss"] <= LOSS_MAX, f"test loss {test['loss']}, at most {LOSS_MAX} promised")
    require(document["model"] == "mnist@1", f"registered as {document['model']}, not mnist@1")
    require(process.peak_mb < MEMORY_MB_MAX, f"{process.peak_mb:.0f} MB, under {MEMORY_MB_MAX} promised")
    return f"accuracy {test['accuracy']:.4f}, loss {test['loss']:.4f}, {process.seconds:.0f} s, {process.peak_mb:.0f} MB"


def second_run(session):
    """A second run of the unchanged scheme trains nothing and gives the same model."""
    first = session.run(MNIST, "again", "--set", "train.epochs=1")
    document = first.document()
    second = session.run(MNIST, "again", "--set", "train.epochs=1")
    again = second.document()
    require(again["digest"] == document["digest"], f"digest {again['digest']} after {document['digest']}")
    require(again["model"] == document["model"], f"registered {again['model']} after {document['model']}")
    # An epoch that is trained again takes another time, to the last digit.
    times = [[epoch["seconds"] for epoch in each["epochs"]] for each in (document, again)]
    require(times[1] in (times[0], []), f"epochs were trained again: {times}")
    share = second.cpu_seconds / first.cpu_seconds
    require(share < 0.5, f"the second run took {share:.0%} of the first one's CPU time")
    return f"{share:.1%} of the first run's CPU time"


def seeds(session, numbers=(1, 2, 3)):
    """The accuracy and the loss are reached from several seeds. Minutes; run_all.py --seeds asks for it."""
    said = []
    for seed in numbers:
        test = session.run(MNIST, f"seed-{seed}", "--set", f"seed={seed}").document()["metrics"]["test"]
        said.append(f"seed {seed}: {test['accuracy']:.4f}, {test['loss']:.4f}")
        require(test["accuracy"] >= ACCURACY_MIN and test["loss"] <= LOSS_MAX, "; ".join(said))
    return "; ".join(said)


def threads(session):
    """One thread and two give the same model."""
    digests = {count: session.short(1, count)["digest"] for count in (1, 2)}
    require(digests[1] == digests[2], f"the digests differ: {digests}")
    return digests[1]


def kill_and_resume(session):
    """A run killed in the middle of its second epoch and resumed gives the model of an undisturbed one."""
    expected = session.short(3)
    process = session.run(MNIST, "killed", "--threads", 2, "--set", "train.epochs=3")
    wait_for_epochs(session.folder / "killed", process, 1)
    time.sleep(expected["epochs"][1]["seconds"] / 2)
    require(process.poll(), "the run ended before it could be killed")
    process.child.send_signal(signal.SIGKILL)
    process.expect(-signal.SIGKILL)
    resumed = session.run(MNIST, "killed", "--threads", 2, "--set", "train.epochs=3", "--resume").document()
    require(resumed["digest"] == expected["digest"], f"digest {resumed['digest']} instead of {expected['digest']}")
    return resumed["digest"]


def kill_at_the_start(session):
    """A run killed before its first checkpoint and resumed gives the same model too."""
    expected = session.short(1)
    process = session.run(MNIST, "killed-early", "--set", "train.epochs=1")
    time.sleep(0.3)
    require(process.poll(), "the run ended before it could be killed")
    process.child.send_signal(signal.SIGKILL)
    process.expect(-signal.SIGKILL)
    resumed = session.run(MNIST, "killed-early", "--set", "train.epochs=1", "--resume").document()
    require(resumed["digest"] == expected["digest"], f"digest {resumed['digest']} instead of {expected['digest']}")
    return resumed["digest"]


def full_disk(session):
    """No file can grow past 1 MiB: the run fails with status 1 and leaves a store that the next run goes on with."""
    def limit():
        # Without the signal's default action a write past the limit is an error, as on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))

    failed = session.run(MNIST, "full", "--set", "train.epochs=1", before=limit).expect(1)
    require(failed.text(failed.log).strip(), "status 1 without a word on standard error")
    document = session.run(MNIST, "full", "--set", "train.epochs=1").document()
    require(document["digest"] == session.short(1)["digest"], "the store after a full disk gives another model")
    return failed.text(failed.log).strip().splitlines()[-1][:100]


def locked_store(session):
    """A second run on the store of a running one is refused with status 1; the first one comes to its end."""
    first = session.run(MNIST, "locked", "--set", "train.epochs=3")
    wait_for_epochs(session.folder / "locked", first, 1)
    refused = session.run(STOCK, "locked").expect(1)
    require(first.poll(), "the first run ended before the second one was refused: nothing was shown")
    require(first.document()["digest"] == session.short(3)["digest"], "the first run was disturbed")
    return refused.text(refused.log).strip().splitlines()[0][:100]


def stock(session):
    """The second scheme runs in seconds and reports its error beside the naive forecast's."""
    process = session.run(STOCK, "stock")
    metrics = process.document()["metrics"]
    rows = {name: metrics[name] for name in ("test", "baseline")}
    for name, row in rows.items():
        numbers = [row[key] for key in ("rmse", "directional_accuracy") if row.get(key) is not None]
        require("rmse" in row and all(map(math.isfinite, numbers)), f"no rmse under metrics.{name}: {row}")
    require("directional_accuracy" in rows["test"], f"no directional accuracy: {rows['test']}")
    return f"rmse {rows['test']['rmse']:.6g}, naive {rows['baseline']['rmse']:.6g}, {process.seconds:.1f} s"


def help_is_quick(session):
    """`heirloom --help` answers at once: the least of 30 tries."""
    milliseconds = min(session.start("--help").expect(0).seconds for _ in range(30)) * 1000
    require(milliseconds < HELP_MS_MAX, f"{milliseconds:.1f} ms, under {HELP_MS_MAX} promised")
    return f"{milliseconds:.1f} ms"


def onnx_agreement(session):
    """ONNX Runtime reads the exported main model and agrees with `heirloom infer` on every test image."""
    require(session.onnx_python.exists(), f"{session.onnx_python} is missing: run `bench/peers/setup.sh onnx`")
    exported = session.folder / "mnist.onnx"
    flags = ["--format", "onnx", "--output", exported, "--store", session.main_store]
    session.start("model", "export", "mnist", *flags).expect(0)
    script = REPOSITORY / "bench" / "peers" / "onnx_agreement.py"
    command = [session.onnx_python, script, exported, "--store", session.main_store, "--heirloom", session.binary]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    require(done.returncode == 0, f"{done.stdout}{done.stderr}")
    return next(line for line in done.stdout.splitlines() if "images:" in line)


def wait_for_epochs(store, process, count):
    """Returns as soon as the run's events.jsonl in `store` tells of `count` finished epochs."""
    while process.poll():
        for file in store.rglob("events.jsonl"):
            if finished_epochs(file.read_text()) >= count:
                return
        time.sleep(0.01)
    raise Failed(f"the run ended before {count} epochs were told in events.jsonl\n{process.text(process.log)[-2000:]}")


def finished_epochs(events):
    """Events that carry a training loss: one per finished epoch."""
    return sum('"train_loss"' in line for line in events.splitlines())
