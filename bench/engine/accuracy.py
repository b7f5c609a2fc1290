"""The MNIST job's test accuracy over seeds, beside PyTorch's, under the same terms: all 60,000 images, the last epoch's weights."""

import math
import statistics
import tempfile
from pathlib import Path

import jobs

# Heirloom's own scheme keeps a tenth back to choose the epoch by; PyTorch's job does not.
SAME_TERMS = ("data.split.train=1.0", "data.split.validation=0.0", "train.keep=\"last\"")


def compare(options, say):
    values = {"Heirloom": [], "PyTorch": []}
    for seed in range(1, options.seeds + 1):
        for name, job in (("Heirloom", heirloom), ("PyTorch", torch)):
            accuracy = job(options, seed)["metrics"]["test"]["accuracy"]
            values[name].append(accuracy)
            say(f"accuracy  seed {seed}/{options.seeds}  {name:10} {accuracy:.2%}")
    difference, interval = welch(values["Heirloom"], values["PyTorch"])
    return {
        "seeds": options.seeds, "epochs": options.epochs, "difference": difference, "interval": interval,
        "jobs": {
            name: {"values": found, "mean": statistics.mean(found), "deviation": statistics.stdev(found)}
            for name, found in values.items()
        },
    }


def heirloom(options, seed):
    scheme = jobs.REPOSITORY / "schemes" / "mnist.toml"
    with tempfile.TemporaryDirectory() as folder:
        command = [options.heirloom, "run", scheme, "--json", "--quiet", "--threads", options.threads]
        command += ["--store", Path(folder) / "store", "--set", f"seed={seed}"]
        for setting in (*SAME_TERMS, f"train.epochs={options.epochs}"):
            command += ["--set", setting]
        return jobs.run(command, options.threads)


def torch(options, seed):
    script = jobs.FOLDER.parent / "peers" / "job_torch.py"
    command = [jobs.PYTHON, script, "--threads", options.threads, "--epochs", options.epochs, "--seed", seed, "--variant", "tuned"]
    return jobs.run(command, options.threads)


def welch(ours, theirs):
    """The difference of the means and its 95 % interval (Welch 1947)."""
    parts = [statistics.variance(values) / len(values) for values in (ours, theirs)]
    difference = statistics.mean(ours) - statistics.mean(theirs)
    if sum(parts) == 0:
        return difference, (difference, difference)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (ours, theirs)))
    reach = student(freedom) * math.sqrt(sum(parts))
    return difference, (difference - reach, difference + reach)


def student(freedom):
    """The 97.5 % point of Student's distribution, by the Cornish-Fisher expansion (Abramowitz and Stegun, 26.7.5)."""
    z = statistics.NormalDist().inv_cdf(0.975)
    terms = (
        z, (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
