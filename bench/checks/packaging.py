"""Packages, held against the tools of others: an empty folder, ONNX Runtime, readers of images, schemas, systemd."""

import json
import os
import shutil
import statistics
import struct
import subprocess
import time
import zlib

from session import REPOSITORY, require

PYTHON = REPOSITORY / "target" / "packaging-venv" / "bin" / "python"
# Ready to answer, from the start of the process to its end, the answer included.
START_MS_MAX = 100
STARTS = 20
TOLERANCE_CHECK = """
import json, sys, numpy, onnxruntime
folder = sys.argv[1]
facts = json.load(open(f"{folder}/golden/golden.json"))
inputs, outputs = (numpy.load(f"{folder}/golden/{facts[name]}") for name in ("inputs", "outputs"))
model = onnxruntime.InferenceSession(f"{folder}/model.onnx", providers=["CPUExecutionProvider"])
found = model.run(None, {model.get_inputs()[0].name: inputs})[0]
difference = (abs(found - outputs) / numpy.maximum(1, abs(outputs))).max()
assert found.shape == outputs.shape and difference <= facts["tolerance"], (found.shape, difference)
print(json.dumps({"examples": len(inputs), "difference": float(difference)}))
"""


def executable_alone(session):
    """The file alone, in an empty folder, answers a prediction, quickly, and leaves nothing."""
    folder = session.folder / "alone"
    folder.mkdir()
    package(session, "static", folder / "digits")
    write_png(folder / "digit.png")
    command, seconds = ["./digits", "infer", "digit.png", "--json"], []
    for _ in range(STARTS):
        started = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        seconds.append(time.perf_counter() - started)
        require(done.returncode == 0, f"status {done.returncode}: {done.stderr}")
    label = json.loads(done.stdout)["predictions"][0]["label"]
    require(label in map(str, range(10)), f"the answer is {label}")
    require(sorted(os.listdir(folder)) == ["digit.png", "digits"], f"it left {os.listdir(folder)}")
    median, worst = (1000 * each for each in (statistics.median(seconds), max(seconds)))
    require(median < START_MS_MAX, f"{median:.0f} ms from start to answer")
    size = (folder / "digits").stat().st_size / 1e6
    shutil.rmtree(folder)
    return f"{median:.0f} ms from start to answer, at most {worst:.0f} ms in {STARTS} starts; {size:.1f} MB"


def folder_elsewhere(session):
    """The folder's digests hold, and ONNX Runtime reproduces its golden examples from its files alone."""
    folder = session.folder / "folder"
    package(session, "dir", folder)
    sums = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    require(sums.returncode == 0, sums.stdout + sums.stderr)
    require(session.onnx_python.exists(), f"{session.onnx_python} is missing: run `bench/peers/setup.sh onnx`")
    facts = json.loads(told([session.onnx_python, "-c", TOLERANCE_CHECK, folder]))
    return f"{facts['examples']} golden examples, greatest difference in ONNX Runtime {facts['difference']:.1e}"


def image_layout(session):
    """Other tools read, copy and unpack the image; what is unpacked answers; packed twice, it is the same."""
    layout, again = session.folder / "image", session.folder / "image-again"
    for output in (layout, again):
        package(session, "oci", output)
    require(told(["diff", "-r", layout, again]) == "", "the same model gave two images")
    remarks = ["the same twice"]
    if missing := [tool for tool in ("skopeo", "umoci") if not shutil.which(tool)]:
        return f"{remarks[0]}; not read by {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} missing"
    facts = json.loads(told(["skopeo", "inspect", f"oci:{layout}:1"]))
    require(len(facts["Layers"]) == 2 and facts["Os"] == "linux", f"skopeo reads {facts}")
    told(["skopeo", "copy", "--quiet", f"oci:{layout}:1", f"oci-archive:{session.folder}/copy.tar:mnist:1"])
    root = session.folder / "unpacked"
    told(["umoci", "unpack", "--rootless", "--image", f"{layout}:1", root])
    remarks.append("skopeo and umoci read it")
    if os.geteuid() == 0:
        write_png(root / "rootfs" / "digit.png")
        inside = ["/usr/bin/heirloom", "infer", "mnist", "/digit.png", "--json", "--store", "/model/mnist.heirloom.zip"]
        answer = json.loads(told(["chroot", root / "rootfs", *inside]))
        require(answer["predictions"][0]["label"] in map(str, range(10)), f"the image answers {answer}")
        remarks.append("its program answers in its root")
    artifact = session.folder / "artifact"
    package(session, "modelpack", artifact)
    manifest = json.loads(told(["skopeo", "inspect", "--raw", f"oci:{artifact}:1"]))
    require(manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json", f"skopeo reads {manifest}")
    return "; ".join(remarks)


def manifests(session):
    """Kubernetes' schemas and KServe's types accept the manifests; systemd accepts the unit and finds it shut off."""
    require(PYTHON.exists(), f"{PYTHON} is missing: run `bench/peers/setup.sh packaging`")
    for form in ("kubernetes", "kserve"):
        package(session, form, session.folder / f"{form}.yaml")
    script = REPOSITORY / "bench" / "peers" / "manifest_schemas.py"
    remark = told([PYTHON, script, session.folder / "kubernetes.yaml", session.folder / "kserve.yaml"]).strip()
    unit = session.folder / "mnist.service"
    package(session, "systemd", unit)
    if not shutil.which("systemd-analyze"):
        return f"{remark}; the unit was not checked, for systemd-analyze is missing"
    # The program is installed nowhere here; any other that exists stands in for it.
    unit.write_text(unit.read_text().replace("/usr/local/bin/mnist", "/bin/true"))
    said = told(["systemd-analyze", "verify", unit])
    require(said == "", said)
    exposure = told(["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]).splitlines()[-1]
    return f"{remark}; unit: {exposure.removeprefix('→ Overall exposure level for mnist.service: ').split(' ')[0]} of 10 exposed"


def package(session, form, output):
    flags = ["--as", form, "--output", output, "--store", session.main_store]
    session.start("package", "mnist", *flags).expect(0)


def told(command):
    """What a command says, on both outputs; a failure if it fails."""
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True)
    require(done.returncode == 0, f"status {done.returncode} from {' '.join(command)}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout + done.stderr


def write_png(path, side=28):
    """A grey picture with a bright stroke down its middle: a one, to most."""
    row = bytes(255 if 12 <= x < 16 else 0 for x in range(side))
    pixels = b"".join(b"\0" + (row if 4 <= y < 24 else bytes(side)) for y in range(side))
    parts = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
