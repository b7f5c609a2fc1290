#!/usr/bin/env python3
"""Sends malformed requests to a running `heirloom serve`: every answer is a refusal in words, memory stays bounded, the server lives.

    target/serving-venv/bin/python bench/serving/malformed.py --model mnist --pid PID [--requests 100000]

The model takes 28 x 28 grey pictures. Nine in ten requests go over REST: JSON that is cut, changed or nested, shapes that are huge, negative or no numbers, lengths
that lie, bodies that are packed and burst; one in ten over gRPC: protocol buffers that are changed or random. Slow clients hold connections open meanwhile. A changed
request may happen to be a good one; then its answer is checked to be one. Exit status 1 at the first answer of another kind.
"""

import argparse
import gzip
import json
import random
import re
import socket
import struct
import sys
import zlib

import grpc

PIXELS = [0] * 784
MEMORY_MB_MAX = 400


def good():
    return {"inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "UINT8", "data": list(PIXELS)}]}


def number(draw):
    return draw.choice([0, -1, 2, 3, 255, 256, 2**31, 2**62, -(2**63), 2**64, 1e308, 0.5, None, "1", [], {}, True])


def wrong_json(draw):
    body = good()
    tensor = body["inputs"][0]
    kind = draw.randrange(9)
    if kind == 0:
        tensor["shape"] = [number(draw) for _ in range(draw.randrange(9))]
    elif kind == 1:
        tensor["data"][draw.randrange(784)] = number(draw)
    elif kind == 2:
        tensor["data"] = tensor["data"][: draw.randrange(784)]
    elif kind == 3:
        tensor[draw.choice(["name", "datatype", "shape", "data", "parameters"])] = number(draw)
    elif kind == 4:
        body["outputs"] = [{"name": draw.choice(["label", "nothing", "", "\u0000"]), "parameters": {"classification": number(draw)}}]
    elif kind == 5:
        tensor["parameters"] = {"binary_data_size": number(draw)}
    elif kind == 6:
        del tensor[draw.choice(list(tensor))]
    elif kind == 7:
        body["inputs"] = [tensor] * draw.choice([0, 2, 50])
    else:
        tensor["data"] = nested(draw.choice([1, 5, 127, 128, 5000]))
    return json.dumps(body).encode()


def nested(depth):
    value = [1]
    for _ in range(min(depth, 900)):  # what json.dumps can write
        value = [value]
    return value


def wrong_body(draw):
    """Headers and bytes that are no good question."""
    kind = draw.randrange(20)
    if kind < 12:
        return {}, wrong_json(draw)
    body = json.dumps(good()).encode()
    if kind == 12:
        return {}, body[: draw.randrange(len(body))]
    if kind == 13:
        changed = bytearray(body)
        for _ in range(draw.randrange(1, 9)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        return {}, bytes(changed)
    if kind == 14:
        return {}, draw.randbytes(draw.randrange(3000))
    if kind == 15:
        return {"Inference-Header-Content-Length": draw.choice(["-1", "x", str(2**64), str(len(body) + 1), str(draw.randrange(len(body)))])}, body
    if kind == 16:
        return {"Content-Encoding": draw.choice(["gzip", "deflate", "br", "zstd", "\x7f"])}, draw.randbytes(200)
    if kind == 17 and draw.random() < 0.02:
        return {"Content-Encoding": "gzip"}, BOMB
    if kind == 18:
        return {"Content-Encoding": "deflate"}, zlib.compress(wrong_json(draw))
    return {}, b"[" * draw.randrange(1, 100_000)


BOMB = gzip.compress(gzip.compress(b"\0" * (256 << 20)))
BOMB = gzip.decompress(BOMB)  # 256 MiB of zeros in a quarter of a MiB
PATHS = ["/v2/models/{m}/infer"] * 12 + ["/v2/models/{m}/versions/99999999999999999999/infer", "/v2/models/..%2f..%2fetc/infer", "/v2/models/%00/infer", "/predict/{m}", "/predict/none", "/v2/repository/models/none/load", "/v2/models//infer", "/%ff"]


class Client:
    """One connection that is opened again when the server closes it."""

    def __init__(self, address):
        self.address, self.socket, self.rest = address, None, b""

    def ask(self, path, headers, body):
        for attempt in (0, 1):
            try:
                if self.socket is None:
                    self.socket, self.rest = socket.create_connection(self.address, timeout=60), b""
                head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
                self.socket.sendall(head.encode("latin-1") + body)
                return self.answer()
            except (ConnectionError, BrokenPipeError):
                # A body that is too long is refused before it was read; the connection ends with that.
                answer = self.leftover()
                self.socket = None
                if answer:
                    return answer
                if attempt:
                    raise
        return None

    def leftover(self):
        try:
            return self.answer() if self.socket else None
        except OSError:
            return None

    def answer(self):
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        length = int((re.search(rb"content-length: (\d+)", head, re.I) or [0, b"0"])[1])
        while len(self.rest) < length:
            self.more()
        body, self.rest = self.rest[:length], self.rest[length:]
        status = int(head.split(b" ", 2)[1])
        if b"connection: close" in head.lower():
            self.socket = None
        return status, body

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            self.socket = None
            raise ConnectionResetError
        self.rest += data


def memory_mb(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024 / 1e6


def fail(what):
    sys.exit(f"FAILED {what}")


def rest(arguments, draw, count):
    host, port = arguments.http.split(":")
    client, statuses = Client((host, int(port))), {}
    slow = [socket.create_connection((host, int(port))) for _ in range(50)]
    for each in slow:
        each.sendall(f"POST /v2/models/{arguments.model}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{{".encode())
    peak = 0
    for at in range(count):
        headers, body = wrong_body(draw)
        status, answer = client.ask(draw.choice(PATHS).format(m=arguments.model), headers, body)
        statuses[status] = statuses.get(status, 0) + 1
        if status == 200:
            if "outputs" not in json.loads(answer):
                fail(f"200 without outputs: {answer[:200]}")
        elif status == 400 and not answer:
            pass  # no HTTP: refused before there was a request
        elif not 400 <= status < 500 or "error" not in json.loads(answer):
            fail(f"request {at}: status {status}: {answer[:300]} to {headers} {body[:300]}")
        if at % 500 == 0:
            peak = max(peak, memory_mb(arguments.pid))
            if peak > MEMORY_MB_MAX:
                fail(f"{peak:.0f} MB after {at} requests")
    status, answer = Client((host, int(port))).ask(f"/v2/models/{arguments.model}/infer", {}, json.dumps(good()).encode())
    if status != 200:
        fail(f"a good request beside slow ones: {status} {answer[:200]}")
    return statuses, peak


def over_grpc(arguments, draw, count):
    channel = grpc.insecure_channel(arguments.grpc)
    identity = lambda data: data  # noqa: E731
    infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", identity, identity)
    field = lambda number, data: bytes([number << 3 | 2]) + varint(len(data)) + data  # noqa: E731
    whole = field(1, arguments.model.encode())
    whole += field(5, field(1, b"image") + field(2, b"UINT8") + field(3, bytes([1, 1, 28, 28]))) + field(7, bytes(784))
    codes = {}
    for _ in range(count):
        changed = bytearray(whole)
        if draw.random() < 0.3:
            changed = bytearray(draw.randbytes(draw.randrange(400)))
        else:
            for _ in range(draw.randrange(1, 6)):
                changed[draw.randrange(60)] = draw.randrange(256)
        try:
            infer(bytes(changed), timeout=60)
            name = "OK"
        except grpc.RpcError as error:
            name = error.code().name
            if name not in ("INVALID_ARGUMENT", "NOT_FOUND"):
                fail(f"gRPC {name}: {error.details()} to {bytes(changed)[:200]}")
        codes[name] = codes.get(name, 0) + 1
    return codes


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server's process")
    parser.add_argument("--http", default="127.0.0.1:8000")
    parser.add_argument("--grpc", default="127.0.0.1:8001")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    by_grpc = arguments.requests // 10
    statuses, peak = rest(arguments, draw, arguments.requests - by_grpc)
    codes = over_grpc(arguments, draw, by_grpc)
    print(f"REST {dict(sorted(statuses.items()))}, gRPC {codes}, at most {max(peak, memory_mb(arguments.pid)):.0f} MB")


if __name__ == "__main__":
    main()
