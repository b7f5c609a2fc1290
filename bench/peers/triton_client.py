#!/usr/bin/env python3
"""Asks a running `heirloom serve` everything that NVIDIA's client for the Open Inference Protocol can ask, on both transports.

    bench/peers/setup.sh serving
    heirloom serve MODEL &
    target/serving-venv/bin/python bench/peers/triton_client.py --model mnist --images datasets/mnist

The model takes 28 x 28 grey pictures and answers with ten classes. `tritonclient` is used as it is published. Prints one line for each
call; exit status 1 at the first answer that is not as the protocol says.
"""

import argparse
import gzip
import queue
import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

COUNT = 40  # pictures in one request: more than one plan holds


def check(holds, what):
    if not holds:
        sys.exit(f"FAILED {what}")
    print(f"ok     {what}")


def pictures(folder):
    with gzip.open(Path(folder) / "t10k-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, COUNT * 784, 16).reshape(COUNT, 1, 28, 28)


def refused(call, words, what):
    try:
        call()
    except InferenceServerException as error:
        check(words in str(error.message()), f"{what}: {error.message()}")
        return
    check(False, f"{what}: was not refused")


class Transport:
    """The same calls over either transport."""

    def __init__(self, name, module, client):
        self.name, self.module, self.client = name, module, client
        self.binary = name == "HTTP"

    def input(self, values, name="image", datatype="UINT8", **more):
        tensor = self.module.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, **more)
        return tensor

    def metadata(self, call, key):
        answer = call()
        return answer[key] if isinstance(answer, dict) else getattr(answer, key)


def basics(transport, model):
    client, name = transport.client, transport.name
    check(client.is_server_live(), f"{name} server live")
    check(client.is_server_ready(), f"{name} server ready")
    check(client.is_model_ready(model), f"{name} model ready")
    check(not client.is_model_ready("nobody"), f"{name} unknown model not ready")
    check("binary_tensor_data" in transport.metadata(client.get_server_metadata, "extensions"), f"{name} server metadata")
    outputs = transport.metadata(lambda: client.get_model_metadata(model), "outputs")
    names = [each["name"] if isinstance(each, dict) else each.name for each in outputs]
    check(names == ["label", "probabilities"], f"{name} model metadata: outputs {names}")
    versions = transport.metadata(lambda: client.get_model_metadata(model), "versions")
    check(len(versions) == 1, f"{name} versions {list(versions)}")
    check(client.is_model_ready(model, versions[0]), f"{name} model ready by version")
    check(len(transport.metadata(client.get_model_repository_index, "models") if name == "gRPC" else client.get_model_repository_index()) >= 1, f"{name} repository index")


def inference(transport, model, images):
    """Every way of sending and asking gives the same answers; the probabilities."""
    name, module, client = transport.name, transport.module, transport.client
    whole = client.infer(model, [transport.input(images)], request_id="forty")
    labels, probabilities = whole.as_numpy("label"), whole.as_numpy("probabilities")
    check(labels.dtype == object and labels[0] == b"7", f"{name} labels arrive as BYTES: {labels[:5]}")
    check(probabilities.shape == (COUNT, 10) and np.allclose(probabilities.sum(1), 1, atol=1e-5), f"{name} probabilities")
    response = whole.get_response()
    check((response["id"] if isinstance(response, dict) else response.id) == "forty", f"{name} the request's own id comes back")
    one = client.infer(model, [transport.input(images[:1])]).as_numpy("probabilities")
    check((one == probabilities[:1]).all(), f"{name} one picture gets the same bytes as among forty")
    only = client.infer(model, [transport.input(images[:3])], outputs=[module.InferRequestedOutput("probabilities")])
    check(only.as_numpy("label") is None and (only.as_numpy("probabilities") == probabilities[:3]).all(), f"{name} requested outputs only")
    best = client.infer(model, [transport.input(images[:1])], outputs=[module.InferRequestedOutput("probabilities", class_count=2)])
    texts = best.as_numpy("probabilities")
    check(texts.shape == (1, 2) and texts[0, 0].split(b":")[1:] == [b"7", b"7"], f"{name} classification: {texts}")
    if transport.binary:
        for sent in (True, False):
            for wanted in (True, False):
                tensor = transport.input(images[:2], binary_data=sent)
                outputs = [http.InferRequestedOutput(each, binary_data=wanted) for each in ("label", "probabilities")]
                answer = client.infer(model, [tensor], outputs=outputs)
                same = np.allclose(answer.as_numpy("probabilities"), probabilities[:2], atol=1e-9)
                found = [text if isinstance(text, bytes) else text.encode() for text in answer.as_numpy("label")]
                check(same and found == list(labels[:2]), f"HTTP binary sent {sent}, wanted {wanted}")
        for packing in ("gzip", "deflate"):
            answer = client.infer(model, [transport.input(images[:2])], request_compression_algorithm=packing)
            check((answer.as_numpy("probabilities") == probabilities[:2]).all(), f"HTTP {packing} request")
    return probabilities


def asynchronous(transport, model, images, probabilities):
    if transport.name == "HTTP":
        waiting = [transport.client.async_infer(model, [transport.input(images[at : at + 1])]) for at in range(COUNT)]
        answers = [each.get_result().as_numpy("probabilities") for each in waiting]
    else:
        done = queue.Queue()
        for at in range(COUNT):
            back = lambda result, error, at=at: done.put((at, result, error))  # noqa: E731
            transport.client.async_infer(model, [transport.input(images[at : at + 1])], back)
        found = sorted((done.get(timeout=30) for _ in range(COUNT)), key=lambda each: each[0])
        answers = [result.as_numpy("probabilities") for _, result, _ in found]
    check((np.concatenate(answers) == probabilities).all(), f"{transport.name} {COUNT} asynchronous calls")


def stream(transport, model, images, probabilities):
    done = queue.Queue()
    transport.client.start_stream(lambda result, error: done.put((result, error)))
    for at in range(COUNT):
        transport.client.async_stream_infer(model, [transport.input(images[at : at + 1])], request_id=str(at))
    transport.client.async_stream_infer("nobody", [transport.input(images[:1])])
    answers = [done.get(timeout=30) for _ in range(COUNT + 1)]
    transport.client.stop_stream()
    good = [result.as_numpy("probabilities") for result, error in answers if error is None]
    check((np.concatenate(good) == probabilities).all(), f"gRPC stream of {COUNT}")
    check([str(error) for _, error in answers if error is not None][0].find("nobody") >= 0, "gRPC stream: an unknown model does not end it")


def mistakes(transport, model, images):
    name, module, client = transport.name, transport.module, transport.client
    ask = lambda tensors, model=model, **more: (lambda: client.infer(model, tensors, **more))  # noqa: E731
    good = transport.input(images[:1])
    refused(ask([good], "nobody"), "nobody", f"{name} unknown model")
    refused(ask([good], model_version="99"), "99", f"{name} unknown version")
    refused(ask([transport.input(images[:1, :, :, :27].copy())]), "shape", f"{name} wrong shape")
    refused(ask([transport.input(images[0])]), "shape", f"{name} wrong rank")
    refused(ask([transport.input(images[:1].astype(np.float32), datatype="FP32")]), "UINT8", f"{name} wrong type")
    refused(ask([transport.input(images[:1], name="picture")]), "picture", f"{name} unknown input")
    refused(ask([good, transport.input(images[:1], name="second")]), "one input", f"{name} two inputs")
    refused(ask([good], outputs=[module.InferRequestedOutput("nothing")]), "nothing", f"{name} unknown output")
    refused(ask([transport.input(np.zeros((0, 1, 28, 28), np.uint8))]), "shape", f"{name} no examples")


def control(transport, model):
    client, name = transport.client, transport.name
    client.unload_model(model)
    check(not client.is_model_ready(model), f"{name} unloaded")
    client.load_model(model)
    check(client.is_model_ready(model), f"{name} loaded again")
    refused(lambda: client.load_model("nobody"), "nobody", f"{name} load of an unknown model")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True, help="folder with t10k-images-idx3-ubyte.gz")
    parser.add_argument("--http", default="127.0.0.1:8000")
    parser.add_argument("--grpc", default="127.0.0.1:8001")
    arguments = parser.parse_args()
    images = pictures(arguments.images)
    transports = [
        Transport("HTTP", http, http.InferenceServerClient(arguments.http, concurrency=8)),
        Transport("gRPC", grpc, grpc.InferenceServerClient(arguments.grpc)),
    ]
    found = []
    for transport in transports:
        basics(transport, arguments.model)
        found.append(inference(transport, arguments.model, images))
        asynchronous(transport, arguments.model, images, found[-1])
        mistakes(transport, arguments.model, images)
        control(transport, arguments.model)
    stream(transports[1], arguments.model, images, found[1])
    check((found[0] == found[1]).all(), "both transports give the same bytes")


if __name__ == "__main__":
    main()
