#!/usr/bin/env python3
"""Throughput, latency, memory and start of `heirloom serve` beside a Python server, in one run.

    cargo build --release
    bench/peers/setup.sh serving
    apt-get install wrk nghttp2-client
    python3 bench/serving/load.py

Trains the main job's network for one epoch, exports it for the peer, and lets each server answer single 28 x 28 pictures on 1, 8 and 32
connections: REST JSON and binary tensors by wrk, gRPC by h2load. Server and load generator share the machine. Servers take turns, round by
round, so that what else the machine does meets all of them; shown are medians of the rounds. Prints Markdown.
"""

import argparse
import gzip
import json
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = REPOSITORY / "target/serving-venv/bin/python"
CONNECTIONS = (1, 8, 32)


def picture():
    with gzip.open(REPOSITORY / "datasets/mnist/t10k-images-idx3-ubyte.gz") as file:
        return file.read()[16 : 16 + 784]


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def questions(folder):
    """The same question in every form: wrk scripts and a gRPC body."""
    pixels = picture()
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "UINT8"}
    whole = json.dumps({"inputs": [{**tensor, "data": list(pixels)}]}).encode()
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": 784}}], "parameters": {"binary_data_output": True}}).encode()
    script = 'wrk.method = "POST"\nlocal file = io.open("{body}", "rb"); wrk.body = file:read("*a"); file:close()\n{headers}'
    forms = {"json": (whole, {"Content-Type": "application/json"})}
    forms["binary"] = (head + pixels, {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))})
    for form, (body, headers) in forms.items():
        (folder / f"{form}.body").write_bytes(body)
        lines = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in headers.items())
        (folder / f"{form}.lua").write_text(script.format(body=folder / f"{form}.body", headers=lines))
    shape = field(3, b"".join(varint(each) for each in tensor["shape"]))
    message = field(1, b"mnist") + field(5, field(1, b"image") + field(2, b"UINT8") + shape) + field(7, pixels)
    (folder / "grpc.body").write_bytes(b"\0" + struct.pack(">I", len(message)) + message)


class Server:
    def __init__(self, name, command, environment, rest, grpc=None):
        self.name, self.command, self.environment, self.rest, self.grpc = name, command, environment, rest, grpc

    def __enter__(self):
        started = time.perf_counter()
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen(self.command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/v2/health/ready", timeout=5).read()
                break
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"{self.name} ended by itself: {self.command}")
                time.sleep(0.002)
        self.ready = time.perf_counter() - started
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()

    def memory_mb(self):
        """Resident memory of the process and those that it started."""
        group = subprocess.run(["ps", "-o", "rss=", "-g", str(self.process.pid)], capture_output=True, text=True)
        return sum(int(line) for line in group.stdout.split()) * 1024 / 1e6


def number(text, unit):
    """`1.5` and `ms` as milliseconds."""
    return float(text) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def wrk(server, form, connections, seconds, folder):
    url = f"http://127.0.0.1:{server.rest}/v2/models/mnist/infer"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(folder / f"{form}.lua"), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"{server.name} failed requests:\n{text}")
    p50, p99 = (number(*re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", text).groups()) for share in (50, 99))
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), p50, p99


def h2load(server, connections, seconds, folder):
    url = f"http://127.0.0.1:{server.grpc}/inference.GRPCInferenceService/ModelInfer"
    log = folder / "h2load.tsv"
    log.unlink(missing_ok=True)
    command = ["h2load", "-t1", f"-c{connections}", "-m1", f"-D{seconds}", f"--log-file={log}", "-d", str(folder / "grpc.body")]
    command += ["-H", "content-type: application/grpc", "-H", "te: trailers", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"finished in [\d.]+s, ([\d.]+) req/s", text)[1])
    if re.search(r"(\d+) failed", text)[1] != "0":
        sys.exit(f"{server.name} failed requests:\n{text}")
    times = sorted(int(line.split("\t")[2]) / 1e3 for line in log.read_text().splitlines())
    return rate, times[len(times) // 2], times[len(times) * 99 // 100]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heirloom", type=Path, default=REPOSITORY / "target/release/heirloom")
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = ["--store", str(folder / "store")]
        run = [str(arguments.heirloom), "run", str(REPOSITORY / "schemes/mnist.toml"), "--set", "train.epochs=1", "--quiet", *store]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        onnx = folder / "mnist.onnx"
        subprocess.run([str(arguments.heirloom), "model", "export", "mnist", "--format", "onnx", "--output", str(onnx), *store], check=True, stdout=subprocess.DEVNULL)
        questions(folder)
        ours = [str(arguments.heirloom), "serve", "mnist", "--bind", "127.0.0.1:8100", "--grpc-bind", "127.0.0.1:8101", *store]
        peer = [str(PYTHON), "-m", "uvicorn", "peer_fastapi:app", "--app-dir", str(Path(__file__).parent), "--log-level", "critical"]
        servers = [Server("heirloom", ours, {}, 8100, 8101)]
        for workers in (1, 2):
            command = [*peer, "--port", str(8110 + workers), "--workers", str(workers)]
            servers.append(Server(f"FastAPI + ONNX Runtime, {workers} worker{'s' * (workers > 1)}", command, {"MODEL": str(onnx)}, 8110 + workers))
        found, facts = {}, {}
        for _ in range(arguments.rounds):
            for server in servers:
                with server:
                    for connections in CONNECTIONS:
                        forms = ("json", "binary", "gRPC") if server.grpc else ("json",)
                        for form in forms:
                            take = (server, connections, arguments.seconds, folder)
                            measured = h2load(*take) if form == "gRPC" else wrk(server, form, *take[1:])
                            found.setdefault((server.name, form, connections), []).append(measured)
                    facts.setdefault(server.name, []).append((server.ready * 1e3, server.memory_mb()))
    print("| server | form | connections | requests/s | p50, ms | p99, ms |\n|---|---|---|---|---|---|")
    for (server, form, connections), rounds in found.items():
        rate, p50, p99 = (statistics.median(column) for column in zip(*rounds))
        print(f"| {server} | {form} | {connections} | {rate:,.0f} | {p50:.3f} | {p99:.2f} |")
    print("\n| server | ready after, ms | resident memory, MB |\n|---|---|---|")
    for server, rounds in facts.items():
        ready, memory = (statistics.median(column) for column in zip(*rounds))
        print(f"| {server} | {ready:.0f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
