"""Signatures and bills of materials, held against the implementations and schemas of others."""

import json
import shutil
import subprocess

from session import REPOSITORY, STOCK, require

CURVES = ("SECP256R1", "SECP384R1", "SECP521R1")
NEW_KEY = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
curve, private, public = sys.argv[1:]
key, pem = ec.generate_private_key(getattr(ec, curve)()), form.Encoding.PEM
Path(private).write_bytes(key.private_bytes(pem, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()))
Path(public).write_bytes(key.public_key().public_bytes(pem, form.PublicFormat.SubjectPublicKeyInfo))
"""
# What is done to the signed folder, one at a time: the file, and how its bytes change.
TAMPERINGS = ("model.json", "graph.onnx", "scheme.toml", "lineage.json", "tensors", "missing", "added")


def signatures(session):
    """What is signed here verifies with the reference tool and the other way round; both refuse every tampering."""
    folder, key = signed_folder(session)
    ours = [next(folder.with_name(folder.name + ".sig").iterdir()), key.with_name(key.name + ".pub")]
    checked = both_verify(session, folder, *ours)
    for curve in CURVES:
        private, public = new_key(session, curve)
        signature = session.folder / f"reference-{curve}.json"
        arguments = ["sign", "key", folder, "--signature", signature, "--private_key", private]
        reference(session, *arguments, expect="Signing succeeded")
        checked += both_verify(session, folder, signature, public)
    stranger = new_key(session, "SECP256R1")[1]
    refused = session.start("model", "verify", folder, "--signature", ours[0], "--key", stranger).expect(2)
    require("wrong-key" in refused.text(refused.log), "another key was refused with other words")
    return f"{checked} answers agree, {1 + len(CURVES)} signatures, {len(TAMPERINGS)} tamperings of each"


def signed_folder(session):
    """The exported folder of a small model that was signed here, and the key. Signing twice changes nothing."""
    model = session.run(STOCK, "signed").document()["model"]
    key, store = session.folder / "signer", ["--store", session.folder / "signed"]
    session.start("key", "new", key).expect(0)
    require((key.stat().st_mode & 0o777) == 0o600, f"the private key has the mode {key.stat().st_mode:o}")
    session.start("key", "new", key).expect(2)
    texts = []
    for name in ("first", "second"):
        session.start("model", "sign", model, "--key", key, *store).expect(0)
        folder = session.folder / name
        session.start("model", "export", model, "--format", "folder", "--output", folder, *store).expect(0)
        texts.append([file.read_text() for file in folder.with_name(name + ".sig").iterdir()])
    require(texts[0] == texts[1] and len(texts[0]) == 1, "the same key and model gave two signatures")
    session.start("model", "verify", model, *store).expect(2)
    session.start("key", "trust", "signer", key.with_name("signer.pub"), *store).expect(0)
    document = session.start("model", "verify", model, "--json", *store).document()
    require([each["name"] for each in document["signed_by"]] == ["signer"], f"not signed by the key: {document}")
    return session.folder / "first", key


def both_verify(session, folder, signature, public):
    """Both tools accept the folder as it is and refuse it after each tampering. Returns the number of answers."""
    agree(session, folder, signature, public, True)
    for tampering in TAMPERINGS:
        changed = session.folder / "changed"
        shutil.copytree(folder, changed)
        tamper(changed, tampering)
        agree(session, changed, signature, public, False)
        shutil.rmtree(changed)
    return 2 * (1 + len(TAMPERINGS))


def tamper(folder, what):
    tensor = sorted((folder / "tensors").iterdir())[0]
    if what == "missing":
        tensor.unlink()
    elif what == "added":
        (folder / "notes.txt").write_text("trust me")
    else:
        file = tensor if what == "tensors" else folder / what
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)


def agree(session, folder, signature, public, holds):
    ours = session.start("model", "verify", folder, "--signature", signature, "--key", public)
    ours.expect(0 if holds else 2)
    word = "Verification succeeded" if holds else "Signature mismatch"
    reference(session, "verify", "key", folder, "--signature", signature, "--public_key", public, expect=word)


def reference(session, *arguments, expect):
    """Runs the reference tool, whose answer has to contain `expect`."""
    said = python(session, "-m", "model_signing", *arguments)
    require(expect in said, f"no `{expect}` from model_signing {' '.join(map(str, arguments))}\n{said[-2000:]}")


def python(session, *arguments):
    require(session.oms_python.exists(), f"{session.oms_python} is missing: run `bench/peers/setup.sh oms`")
    command = [str(part) for part in (session.oms_python, *arguments)]
    done = subprocess.run(command, cwd=session.folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def new_key(session, curve):
    """A key pair that neither tool made: the files of its halves."""
    private, public = session.folder / f"{curve}.pem", session.folder / f"{curve}.pub"
    said = python(session, "-c", NEW_KEY, curve, private, public)
    require(not said, said)
    return private, public


def bill_of_materials(session):
    """The bill of materials keeps to the published schema, says who the model is, and is the same every time."""
    model = session.run(STOCK, "bill").document()
    texts = []
    for name in ("first.cdx.json", "second.cdx.json"):
        output = session.folder / name
        flags = ["--format", "bom", "--output", output, "--store", session.folder / "bill"]
        session.start("model", "export", model["model"], *flags).expect(0)
        texts.append(output.read_text())
    require(texts[0] == texts[1], "the same model gave two bills of materials")
    hashes = {each["alg"]: each["content"] for each in json.loads(texts[0])["metadata"]["component"]["hashes"]}
    require(hashes["BLAKE3"] == model["digest"], f"the bill is not about {model['digest']}: {hashes}")
    said = python(session, REPOSITORY / "bench" / "peers" / "bom_schema.py", session.folder / "first.cdx.json")
    require(said.strip().endswith(": valid"), said[-3000:])
    return f"{len(texts[0])} bytes, valid"
