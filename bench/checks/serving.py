"""The promises about serving, held with clients written by others and under load, one function each."""

import http.client
import json
import random
import re
import signal
import ssl
import subprocess
import threading
import time

from session import MNIST, REPOSITORY, Failed, require

PYTHON = REPOSITORY / "target" / "serving-venv" / "bin" / "python"
SWITCHES = 200
KILLS = 10
PATIENCE = 60  # seconds, for anything that takes a moment


class Server:
    """`heirloom serve` on free ports, and what it says, with the time at which it was heard."""

    def __init__(self, session, store, *arguments):
        command = [session.binary, "serve", *arguments, "--bind", "127.0.0.1:0", "--grpc-bind", "127.0.0.1:0", "--store", store]
        self.child = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)
        self.heard, self.changed = [], threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()
        line = self.wait("listening: REST")
        self.rest = re.search(r"https?://([\d.:]+)", line)[1]
        self.grpc = re.search(r"gRPC ([\d.:]+)", line)[1]

    def listen(self):
        for line in self.child.stderr:
            with self.changed:
                self.heard.append((time.perf_counter(), line.strip()))
                self.changed.notify_all()
        with self.changed:
            self.heard.append((time.perf_counter(), "ended"))
            self.changed.notify_all()

    def wait(self, words, since=0):
        """The first line with these words among those from number `since` on."""
        with self.changed:
            found = lambda: [line for _, line in self.heard[since:] if words in line]  # noqa: E731
            ended = lambda: any(line == "ended" for _, line in self.heard)  # noqa: E731
            self.changed.wait_for(lambda: found() or ended(), PATIENCE)
            require(found(), f"the server did not say `{words}`: {self.heard[-5:]}")
            return found()[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


def question():
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "UINT8", "parameters": {"binary_data_size": 784}}
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "label"}]}).encode()
    return {"Inference-Header-Content-Length": str(len(head))}, head + bytes(784)


def triton_client(session):
    """NVIDIA's client, as published, passes all its basic calls on both transports."""
    require(PYTHON.exists(), "target/serving-venv is missing: run bench/peers/setup.sh serving")
    with Server(session, session.main_store, "mnist") as server:
        command = [PYTHON, REPOSITORY / "bench/peers/triton_client.py", "--model", "mnist", "--images", REPOSITORY / "datasets/mnist"]
        done = subprocess.run([*command, "--http", server.rest, "--grpc", server.grpc], capture_output=True, text=True)
    require(done.returncode == 0, f"{done.stdout[-600:]} {done.stderr[-1200:]}")
    return f"{done.stdout.count('ok ')} answers as the protocol says"


def encrypted(session):
    """Both ports speak TLS with a certificate of one's own, and nothing else; keys let their holders in."""
    require(PYTHON.exists(), "target/serving-venv is missing: run bench/peers/setup.sh serving")
    certificate, key = session.folder / "certificate.pem", session.folder / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    made = session.start("key", "api", "client", "--json").document()
    access = session.folder / "access.toml"
    access.write_text(f'[key.client]\nsha256 = "{made["sha256"]}"\n')
    arguments = ["mnist", "--tls-certificate", certificate, "--tls-key", key, "--access", access]
    with Server(session, session.main_store, *arguments) as server:
        ports = [address.rsplit(":", 1)[1] for address in (server.rest, server.grpc)]
        context = ssl.create_default_context(cafile=certificate)
        for bearer, expected in ((made["key"], 200), ("hk_wrong", 401)):
            connection = http.client.HTTPSConnection("localhost", ports[0], timeout=PATIENCE, context=context)
            connection.request("GET", "/v2/models/mnist", headers={"Authorization": f"Bearer {bearer}"})
            status = connection.getresponse().status
            require(status == expected, f"status {status} instead of {expected}")
        plain = http.client.HTTPConnection("localhost", ports[0], timeout=PATIENCE)
        try:
            plain.request("GET", "/v2/health/live")
            raise Failed(f"plain HTTP was answered: {plain.getresponse().status}")
        except (OSError, http.client.HTTPException):
            pass
        script = "import sys, tritonclient.grpc as g\nc = g.InferenceServerClient(sys.argv[1], ssl=True, root_certificates=sys.argv[2])\n"
        script += "print(c.is_model_ready('mnist', headers={'authorization': 'Bearer ' + sys.argv[3]}))"
        command = [PYTHON, "-c", script, f"localhost:{ports[1]}", certificate, made["key"]]
        done = subprocess.run(command, capture_output=True, text=True)
        require(done.stdout.strip() == "True", f"gRPC over TLS: {done.stdout} {done.stderr[-500:]}")
    return "REST and gRPC, with a key and without"


def malformed(session):
    """100,000 malformed requests: refusals in words, bounded memory, no crash; slow clients hold up nobody."""
    with Server(session, session.main_store, "mnist") as server:
        command = [PYTHON, REPOSITORY / "bench/serving/malformed.py", "--model", "mnist", "--pid", str(server.child.pid)]
        done = subprocess.run([*command, "--http", server.rest, "--grpc", server.grpc], capture_output=True, text=True)
        require(server.child.poll() is None, f"the server ended: {server.heard[-3:]}")
    require(done.returncode == 0, done.stdout[-600:] + done.stderr[-1200:])
    return done.stdout.strip()


def description(session):
    """schemathesis makes requests up from the OpenAPI description and finds no status of 500 or more. Unloading is left out: after it a model rightly answers 503."""
    with Server(session, session.main_store, "mnist") as server:
        command = [PYTHON.with_name("schemathesis"), "run", f"http://{server.rest}/openapi.json", "--checks", "not_a_server_error"]
        command += ["--exclude-path-regex", "unload", "--max-examples", "100", "--seed", "1", "--no-color"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=session.folder)
    require(done.returncode == 0, f"{done.stdout[-3000:]} {done.stderr[-500:]}")
    return re.search(r"Test cases:\s*(.*)", done.stdout)[1]


def two_versions(session):
    """A store with mnist@1 and mnist@2, the first in production."""
    store = session.folder / "switches"
    for seed in (1, 2):
        session.run(MNIST, "switches", "--set", "train.epochs=1", "--set", f"seed={seed}").document()
    session.start("model", "promote", "mnist@1", "--to", "production", "--store", store).expect(0)
    return store


def switches(session):
    """200 promotions and rollbacks under load: no request fails, and none is answered by a version that was not current while it was in flight."""
    store, (headers, body) = two_versions(session), question()
    answers, failures, stop = [], [], threading.Event()
    with Server(session, store, "mnist") as server:

        def load():
            connection = http.client.HTTPConnection(server.rest, timeout=PATIENCE)
            while not stop.is_set():
                sent = time.perf_counter()
                try:
                    connection.request("POST", "/v2/models/mnist/infer", body, headers)
                    reply = connection.getresponse()
                    document = json.loads(reply.read())
                    answers.append((sent, time.perf_counter(), document["model_version"]))
                except (OSError, http.client.HTTPException, KeyError, ValueError) as error:
                    failures.append(repr(error))
                    connection.close()

        clients = [threading.Thread(target=load) for _ in range(4)]
        for client in clients:
            client.start()
        current, begun = [("1", 0.0)], []
        for number in range(SWITCHES):
            since = len(server.heard)
            begun.append(time.perf_counter())
            if number % 2 == 0:
                command, serving, version = ["promote", "mnist@2", "--to", "production"], "serving mnist@2", "2"
            else:
                command, serving, version = ["rollback", "mnist"], "serving mnist@1", "1"
            session.start("model", *command, "--store", store).expect(0)
            server.wait(serving, since)
            current.append((version, time.perf_counter()))
        stop.set()
        for client in clients:
            client.join()
        last = len(current)
    require(not failures, f"{len(failures)} requests failed: {failures[:3]}")
    # Version number i may answer from when its promotion began until the next one was heard to serve.
    spans = [(current[at][0], begun[at - 1] if at else 0.0, current[at + 1][1] if at + 1 < last else float("inf")) for at in range(last)]
    for sent, received, version in answers:
        if not any(version == which and sent <= end and received >= start for which, start, end in spans):
            raise Failed(f"version {version} answered a request in flight from {sent} to {received}")
    return f"{SWITCHES} switches, {len(answers)} answers, none failed"


def killed_switches(session):
    """A server killed at any moment of its switches serves, started again, what history says."""
    store, draw = session.folder / "switches", random.Random(1)
    headers, body = question()
    for number in range(KILLS):
        with Server(session, store, "mnist") as server:
            for _ in range(3):
                command = ["promote", f"mnist@{draw.choice('12')}", "--to", "production"]
                session.start("model", *command, "--store", store).expect(0)
                time.sleep(draw.random() * 0.3)
            server.child.send_signal(signal.SIGKILL)
            server.child.wait()
        shown = session.start("model", "show", "mnist@production", "--json", "--store", store).document()
        expected = str(shown["version"])
        with Server(session, store, "mnist") as server:
            connection = http.client.HTTPConnection(server.rest, timeout=PATIENCE)
            connection.request("POST", "/v2/models/mnist/infer", body, headers)
            answered = json.loads(connection.getresponse().read())["model_version"]
        require(answered == expected, f"version {answered} answers after kill {number}, history says {expected}")
    return f"{KILLS} kills"
