"""Writes a network of PyTorch with weights from a fixed seed as an ONNX file.

--form answers    as it answers: normalisations are folded into convolutions
--form training   as it learns: nothing is folded
"""

import argparse
import json
import os
import warnings

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch

import networks_torch
from peer_job import lengths

parser = argparse.ArgumentParser()
parser.add_argument("--network", required=True)
parser.add_argument("--input", type=lengths, required=True)
parser.add_argument("--classes", type=int, required=True)
parser.add_argument("--form", choices=("answers", "training"), required=True)
parser.add_argument("--output", required=True)
options = parser.parse_args()

torch.manual_seed(1)
warnings.simplefilter("ignore")
model = networks_torch.network(options.network, options.classes).eval()
example = torch.randn(1, *options.input)
learns = options.form == "training"
form = torch.onnx.TrainingMode.PRESERVE if learns else torch.onnx.TrainingMode.EVAL
torch.onnx.export(
    model, (example,), options.output, dynamo=False, input_names=["input"], output_names=["output"],
    dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}}, opset_version=17, training=form,
    do_constant_folding=not learns,
)
print(json.dumps({"file": options.output}))
