"""The measured rows as Markdown, and their places in docs/performance.md."""

import re

import rows


def table(header, lines):
    text = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    text += [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join(text) + "\n"


def ms(job):
    """The median with the least and the most."""
    if job is None:
        return ""
    if "failed" in job:
        return "failed"
    digits = 3 if job["median"] < 10 else 1
    return f"{job['median']:.{digits}f} ({job['least']:.{digits}f} to {job['most']:.{digits}f})"


def ratio(row):
    """Heirloom's median over the fastest peer's; `None` where either is missing."""
    jobs = row["jobs"]
    peers = [job["median"] for name, job in jobs.items() if name != "heirloom" and "median" in job]
    ours = jobs.get("heirloom", {}).get("median")
    return ours / min(peers) if ours and peers else None


def ratio_text(value):
    return "" if value is None else f"{value:.3f}"


def footer(terms, more=""):
    return measured(terms, "Milliseconds", f" of {terms['seconds']:g} s each", more)


def measured(terms, unit, length, more):
    """What the figures are, and of which machine."""
    about = terms["machine"]
    text = (
        f"\n{unit}, median of {terms['rounds']} rounds (least to most){length}, jobs interleaved, "
        f"{terms['threads']} threads, float32. {more}\n"
        f"Machine: {about['cpu']} (family {about['family']}, model {about['model']}), {about['cores']} cores, "
        f"{about['memory_gib']} GiB, {' '.join(about['features'])}; {about['kernel']}.\n"
    )
    return text.replace(" \n", "\n")


def others(section):
    shares = [job.get("others_share") for row in section for job in row["jobs"].values()]
    shares = [share for share in shares if share is not None]
    return f"Others took at most {max(shares):.0%} of the machine during one job." if shares else ""


def versions(section):
    found = {job["version"] for row in section for job in row["jobs"].values() if job.get("version")}
    return "; ".join(sorted(found))


def training(section, terms):
    peers = [name for name in section[0]["jobs"] if name != "heirloom"]
    header = ["training step of", "batch", "Heirloom", *peers, "heirloom / fastest", "asked"]
    lines = []
    for row in section:
        title = f"{row['row']}, {'×'.join(map(str, row['input']))}"
        cells = [title, str(row["batch"]), ms(row["jobs"]["heirloom"]), *(ms(row["jobs"][peer]) for peer in peers)]
        lines.append([*cells, ratio_text(ratio(row)), f"{row['asked']:g}"])
    network = "the peer's network as an ONNX file" if terms["from_onnx"] else "the network in the scheme language"
    more = f"SGD with momentum 0.9; Heirloom trains {network}. {others(section)} {versions(section)}."
    return table(header, lines) + footer(terms, more)


def inference(section, terms):
    header = ["answers of", "batch", "Heirloom", "ONNX Runtime", "heirloom / ONNX Runtime", "asked", "largest difference"]
    lines = []
    for row in section:
        peer = row["jobs"]["ONNX Runtime"]
        difference = peer.get("largest_difference")
        apart = "" if difference is None else f"{difference:.1e} of {peer['largest_answer']:.3g}"
        title = f"{row['row']}, {'×'.join(map(str, row['input']))}"
        cells = [title, str(row["batch"]), ms(row["jobs"]["heirloom"]), ms(peer)]
        lines.append([*cells, ratio_text(ratio(row)), f"{row['asked']:.3g}", apart])
    more = f"Both run the same file on the same inputs, one call at a time. {others(section)} {versions(section)}."
    return table(header, lines) + footer(terms, more)


def scaling(section, terms):
    header = ["row", "1 thread", "2 threads", "times faster", "asked"]
    lines = []
    for row in section:
        one, two = row["jobs"]["1 thread"], row["jobs"]["2 threads"]
        lines.append([row["row"], ms(one), ms(two), ratio_text(speedup(row)), f"{row['asked']:g}"])
    return table(header, lines) + footer(terms | {"threads": "1 and 2"}, others(section))


def speedup(row):
    one, two = row["jobs"]["1 thread"], row["jobs"]["2 threads"]
    return one["median"] / two["median"] if "median" in one and "median" in two else None


TITLES = {
    "heirloom": "Heirloom", "torch": "PyTorch, default form", "torch-tuned": "PyTorch, fused Adam, channels_last",
    "keras": "Keras, model.fit", "jax": "JAX, jitted step",
}


def mnist(section, terms):
    ours = section["jobs"]["heirloom"].get("median")
    header = ["the MNIST job", "s per 60,000 images (least to most)", "heirloom / peer", "asked", "peak MB"]
    lines = []
    for name, job in section["jobs"].items():
        if "failed" in job:
            lines.append([TITLES[name], "failed", "", "", ""])
            continue
        seconds = f"{job['median'] / 1e3:.2f} ({job['least'] / 1e3:.2f} to {job['most'] / 1e3:.2f})"
        share = "" if name == "heirloom" or ours is None else f"{ours / job['median']:.3f}"
        asked = rows.MNIST.get(name)
        lines.append([TITLES[name], seconds, share, "" if asked is None else f"{asked:.3f}", f"{job['peak_mb']:.0f}"])
    text = table(header, lines)
    whole, keras = section["whole"], section["jobs"]["keras"]
    if "median" in whole and "median" in keras:
        text += (
            f"\nFrom process start to the registered model, ten epochs: {whole['median'] / 1e3:.1f} s; Keras needs "
            f"{2 * keras['median'] / 1e3:.1f} s for two epochs.\n"
        )
    jobs = [{"jobs": section["jobs"]}]
    more = f"Batch 32, Adam, the last of two epochs. {others(jobs)} {versions(jobs)}."
    return text + measured(terms, "Seconds", "", more)


def accuracy(section, terms):
    header = ["test accuracy of the MNIST job", "mean", "standard deviation", "least to most"]
    lines = [
        [name, f"{job['mean']:.3%}", f"{job['deviation']:.3%}", f"{min(job['values']):.2%} to {max(job['values']):.2%}"]
        for name, job in section["jobs"].items()
    ]
    low, high = section["interval"]
    holds = "holds 0" if low <= 0 <= high else "does not hold 0"
    return table(header, lines) + (
        f"\nOver {section['seeds']} seeds, {section['epochs']} epochs on all 60,000 images, the last epoch's weights. Heirloom minus PyTorch: "
        f"{section['difference']:+.3%}, 95 % interval {low:+.3%} to {high:+.3%} (Welch), which {holds}.\n"
    )


DRAW = {"mnist": mnist, "training": training, "inference": inference, "scaling": scaling, "accuracy": accuracy}


def write(path, drawn):
    """Puts each table between its markers, `<!-- engine NAME -->` and `<!-- /engine NAME -->`."""
    text = path.read_text()
    for name, body in drawn.items():
        pattern = re.compile(f"(<!-- engine {name} -->\n).*?(<!-- /engine {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{path} has no place for the table `{name}`")
        text = pattern.sub(lambda found: f"{found[1]}{body}{found[2]}", text)
    path.write_text(text)


def failures(sections):
    """The jobs that did not come to their end."""
    return [
        f"{row.get('row', name)}: {job}" for name, section in sections.items() if name != "accuracy"
        for row in (section if isinstance(section, list) else [section])
        for job, found in row["jobs"].items() if "failed" in found
    ]


def misses(sections):
    """What is asked and was not reached, a line each."""
    found = []
    for name in ("training", "inference"):
        for row in sections.get(name, ()):
            value = ratio(row)
            if value is None or value > row["asked"]:
                found.append(f"{row['row']}, batch {row['batch']}: {ratio_text(value) or 'not measured'}, at most {row['asked']:.3g} asked")
    for row in sections.get("scaling", ()):
        value = speedup(row)
        if value is None or value < row["asked"]:
            found.append(f"{row['row']}: {ratio_text(value) or 'not measured'} times on two threads, {row['asked']:g} asked")
    if "mnist" in sections:
        found += mnist_misses(sections["mnist"])
    if "accuracy" in sections and not sections["accuracy"]["interval"][0] <= 0 <= sections["accuracy"]["interval"][1]:
        found.append("accuracy: the interval of the difference does not hold 0")
    return found


def mnist_misses(section):
    jobs, found = section["jobs"], []
    ours = jobs["heirloom"]
    if "median" not in ours:
        return ["mnist: not measured"]
    for peer, asked in rows.MNIST.items():
        median = jobs[peer].get("median")
        if median is None or ours["median"] / median > asked:
            found.append(f"mnist beside {peer}: {ratio_text(median and ours['median'] / median)}, at most {asked:.3f} asked")
    if ours["peak_mb"] >= rows.MNIST_PEAK_MB:
        found.append(f"mnist: {ours['peak_mb']:.0f} MB at most, {rows.MNIST_PEAK_MB} asked")
    whole, keras = section["whole"].get("median"), jobs["keras"].get("median")
    if whole is None or keras is None or whole > 2 * keras:
        found.append("mnist: from start to registered takes longer than two epochs of Keras")
    return found
