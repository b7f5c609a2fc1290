#!/usr/bin/env python3
"""Does the exported ONNX file answer as heirloom does, on all 10,000 MNIST test images?

Checks the file (onnx.checker with full checks, strict shape inference), then feeds raw 0-255 pixels to ONNX Runtime
and to `heirloom infer`: the same class everywhere, probabilities within the tolerance. Exit status 1 otherwise.

    bench/peers/setup.sh onnx
    target/onnx-venv/bin/python bench/peers/onnx_agreement.py mnist.onnx
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import idx

CHUNK = 1000
DTYPES = {
    "tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(double)": np.float64,
    "tensor(float16)": np.float16, "tensor(int32)": np.int32, "tensor(int64)": np.int64,
}


class Disagreement(Exception):
    """What does not hold, in one sentence."""


def require(holds, otherwise):
    if not holds:
        raise Disagreement(otherwise)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnx", type=Path, help="the exported file")
    parser.add_argument("--model", default="mnist", help="the model's name in the store")
    parser.add_argument("--store", type=Path, help="the store that holds it (default: heirloom's own choice)")
    parser.add_argument("--heirloom", type=Path, default=idx.REPOSITORY / "target" / "release" / "heirloom")
    parser.add_argument("--images", type=Path, default=idx.TEST_IMAGES)
    parser.add_argument("--labels", type=Path, default=idx.TEST_LABELS)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    return parser.parse_args()


def check_file(path):
    """The file is valid ONNX and the shape of every output follows from that of the input."""
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    for value in inferred.graph.output:
        require(value.type.tensor_type.HasField("shape"), f"output `{value.name}` has no inferred shape")
    opsets = ", ".join(f"{opset.domain or 'ai.onnx'} {opset.version}" for opset in model.opset_import)
    print(f"onnx.checker and strict shape inference pass: IR version {model.ir_version}, {opsets}")


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feed(session, images):
    """Raw pixels as the file wants them: its input's name, element type and rank."""
    inputs = session.get_inputs()
    require(len(inputs) == 1, f"one input expected, the file has {[value.name for value in inputs]}")
    only = inputs[0]
    require(only.type in DTYPES, f"input `{only.name}` has the type {only.type}, no pixels")
    shape = [size if isinstance(size, int) else None for size in only.shape]
    require(shape[1:] == [1, 28, 28], f"input `{only.name}` has the shape {only.shape}, not [N, 1, 28, 28]")
    step = shape[0] or CHUNK
    require(len(images) % step == 0, f"{len(images)} images do not divide into the file's batches of {step}")
    batches = images[:, None].astype(DTYPES[only.type])  # [N, 1, 28, 28]
    print(f"input `{only.name}`: {only.type} {only.shape}; batches of {step}")
    return [{only.name: batches[start : start + step]} for start in range(0, len(batches), step)]


def probabilities_by_runtime(session, images, classes):
    """[image, class], from the one float output that is as wide as there are classes."""
    wide = [value for value in session.get_outputs() if "float" in value.type or "double" in value.type]
    wide = [value.name for value in wide if len(value.shape) == 2 and value.shape[1] == classes]
    require(wide, f"no float output [N, {classes}] among {[value.name for value in session.get_outputs()]}")
    name = next((name for name in wide if "prob" in name.lower()), wide[0])
    answers = [session.run([name], batch)[0] for batch in feed(session, images)]
    print(f"output `{name}`: taken as the probabilities")
    return np.concatenate(answers).astype(np.float64)


def ask_heirloom(options):
    command = [options.heirloom, "infer", options.model, "--json"]
    if options.store:
        command += ["--store", options.store]
    command.append(options.images)
    done = subprocess.run([str(part) for part in command], capture_output=True, cwd=idx.REPOSITORY)
    require(done.returncode == 0, f"heirloom infer ended with status {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout)


def label_order(document, session):
    """The labels in the order of the model's classes."""
    if "labels" in document:
        return list(document["labels"])
    stored = session.get_modelmeta().custom_metadata_map
    found = next((stored[key] for key in stored if key.split(".")[-1] == "labels"), None)
    if found is not None:
        return json.loads(found)
    first = document["predictions"][0]["probabilities"]
    require(isinstance(first, dict), "probabilities without names, and no `labels` to name them")
    require(all(label.isdigit() for label in first), "no `labels` in the answer or the file to put the classes in order")
    return sorted(first, key=int)


def probabilities_by_heirloom(document, labels):
    """[image, class]; `probabilities` may be an object label -> probability or an array in label order."""
    rows = [prediction["probabilities"] for prediction in document["predictions"]]
    rows = [[row[label] for label in labels] if isinstance(row, dict) else row for row in rows]
    return np.array(rows, dtype=np.float64)


def compare(runtime, heirloom, document, labels, tolerance):
    require(runtime.shape == heirloom.shape, f"shapes differ: {runtime.shape} and {heirloom.shape}")
    require(np.isfinite(runtime).all() and np.isfinite(heirloom).all(), "a probability is no finite number")
    require(abs(runtime.sum(1) - 1).max() <= 1e-4, "ONNX Runtime's rows do not sum to 1: no probabilities")
    named = np.array([labels.index(prediction["label"]) for prediction in document["predictions"]])
    differing = np.flatnonzero(runtime.argmax(1) != named)
    worst = abs(runtime - heirloom).max()
    print(f"{len(named)} images: {len(differing)} with another class, largest difference of a probability {worst:.2e}")
    require(len(differing) == 0, f"the classes differ, first on images {differing[:10].tolist()}")
    require(worst <= tolerance, f"a probability differs by {worst:.2e}, more than {tolerance:.0e}")
    return named


def main():
    options = parse_arguments()
    try:
        check_file(options.onnx)
        session = open_session(options.onnx)
        document = ask_heirloom(options)
        labels = label_order(document, session)
        images = idx.read(options.images)
        runtime = probabilities_by_runtime(session, images, len(labels))
        named = compare(runtime, probabilities_by_heirloom(document, labels), document, labels, options.tolerance)
        truth = idx.read(options.labels)
        print(f"accuracy {np.mean([int(labels[index]) for index in named] == truth):.4f}")
    except (Disagreement, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as reason:
        sys.exit(f"no agreement: {reason}")
    print("agreement")


if __name__ == "__main__":
    main()
