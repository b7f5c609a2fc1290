"""Answers of ONNX Runtime on the CPU to the inputs that heirloom kept, and how far they are from heirloom's."""

import argparse
from pathlib import Path

import numpy
import onnxruntime

import peer_job

parser = argparse.ArgumentParser()
parser.add_argument("--file", required=True)
parser.add_argument("--kept", type=Path, required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--seconds", type=float, required=True)
options = parser.parse_args()

settings = onnxruntime.SessionOptions()
settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
settings.log_severity_level = 3
session = onnxruntime.InferenceSession(options.file, settings, providers=["CPUExecutionProvider"])
feed = {session.get_inputs()[0].name: numpy.load(options.kept / "inputs.npy")}
answers, ours = session.run(None, feed)[0], numpy.load(options.kept / "answers-0.npy")
times = peer_job.measure(lambda: session.run(None, feed), options.seconds)
difference = float(abs(answers.reshape(ours.shape) - ours).max())
greatest = float(abs(answers).max())
version = f"onnxruntime {onnxruntime.__version__}"
peer_job.report(version, times, largest_difference=difference, largest_answer=greatest)
