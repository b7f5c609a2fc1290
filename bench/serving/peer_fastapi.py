"""The peer: what people write by hand to serve a model. FastAPI, one route in the protocol's JSON form, ONNX Runtime with one thread.

Started by load.py through uvicorn: MODEL=file.onnx uvicorn peer_fastapi:app --workers N
"""

import os

import numpy as np
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
INPUT = session.get_inputs()[0].name
OUTPUT = session.get_outputs()[0].name
app = FastAPI()


@app.get("/v2/health/ready")
def ready():
    return Response()


@app.post("/v2/models/{name}/infer")
async def infer(name: str, request: Request):
    tensor = orjson.loads(await request.body())["inputs"][0]
    values = np.array(tensor["data"], np.uint8).reshape(tensor["shape"])
    shares = session.run([OUTPUT], {INPUT: values})[0]
    labels = [str(label) for label in shares.argmax(1)]
    outputs = [
        {"name": "label", "datatype": "BYTES", "shape": [len(labels)], "data": labels},
        {"name": "probabilities", "datatype": "FP32", "shape": list(shares.shape), "data": shares.ravel()},
    ]
    answer = {"model_name": name, "model_version": "1", "outputs": outputs}
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
