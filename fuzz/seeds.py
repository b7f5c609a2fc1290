#!/usr/bin/env python3
"""Fills fuzz/corpus with seeds: the cases of the tests, and one small document of each other kind.

    python3 fuzz/seeds.py
"""

import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

DIGEST = "ab" * 32
MANIFEST = (
    '{"format_version":1,"graph":{"digest":"DIGEST","bytes":5},"tensors":[{"name":"w","dtype":"float32","shape":[2],'
    '"digest":"DIGEST"}],"inputs":[{"name":"x","dtype":"uint8","shape":["batch",2]}],"outputs":[{"name":"y","dtype":'
    '"float64","shape":["batch"]}],"labels":["no","yes"],"preprocessing":{"b":1,"a":{"d":0.1307,"c":null}}}'
).replace("DIGEST", DIGEST)


def schemes():
    for path in sorted((REPOSITORY / "crates" / "scheme" / "tests" / "cases").glob("*.txt")):
        for case in path.read_text().split("=== ")[1:]:
            given = case.split("--- expect")[0]
            if "--- " in given:
                yield given[given.index("--- ") :]
    for path in sorted((REPOSITORY / "schemes").rglob("*.toml")):
        yield f"--- a.toml\n{path.read_text()}"


def manifests():
    yield MANIFEST
    yield MANIFEST.replace("float32", "bfloat16").replace('["batch",2]', "[]")


def package():
    """The manifest of a bundle that holds two versions, the second made from the first, and one scheme."""
    version = {
        "name": "digits",
        "version": 1,
        "manifest": MANIFEST.replace('"shape":[2]', '"shape":[]').replace('"bytes":5', '"bytes":4'),
        "scheme": DIGEST,
        "scheme_digest": DIGEST,
        "data_digest": DIGEST,
        "metrics": "{}",
        "run": None,
        "cpu_level": "avx2",
        "engine_version": 1,
        "created_unix_ms": 1,
        "about": {"description": "", "licence": "MIT", "intended_use": "", "tags": ["a"], "deprecated": None},
        "parents": [],
        "attachments": [{"role": "records", "blob": DIGEST}],
        "signatures": [{"key_id": "ab", "document": "{}", "unix_ms": 1}],
        "recalled": None,
    }
    fine_tuned = {"relation": "fine_tuned_from", "name": "digits", "version": 1, "facts": "{}"}
    scheme = {
        "name": "hospital/a",
        "version": 1,
        "scheme_digest": DIGEST,
        "resolved": DIGEST,
        "sources": DIGEST,
        "description": "d",
        "created_unix_ms": 1,
        "parents": [{"reference": "base@1", "name": "base", "version": 1, "digest": DIGEST}],
    }
    return {
        "format_version": 1,
        "wanted": ["digits@1"],
        "versions": [version, {**version, "version": 2, "parents": [fine_tuned]}],
        "schemes": [scheme],
        "blobs": [{"digest": DIGEST, "bytes": 4}],
    }


def bundles():
    text = json.dumps(package())
    yield text
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as archive:
            archive.writestr("manifest.json", text)
            archive.writestr(f"blobs/{DIGEST}", b"blob")
        yield file.getvalue()


def signatures():
    for path in sorted((REPOSITORY / "crates" / "provenance" / "tests" / "fixtures").iterdir()):
        yield path.read_bytes()
        if path.suffix == ".json":
            yield base64.b64decode(json.loads(path.read_text())["dsseEnvelope"]["payload"])
    origin = '{"name":"m","digest":"DIGEST","scheme_digest":"DIGEST","data_digest":"DIGEST","metrics":{}}'
    yield '{"format_version":1,"model":ORIGIN,"ancestors":[],"relations":[]}'.replace("ORIGIN", origin).replace("DIGEST", DIGEST)


def profiles():
    sketch = '{"name":"NAME","cuts":[1.0,2.0],"counts":[20,30,10,0]}'
    yield (
        '{"format_version":1,"inputs":{"table":{"features":["x"]}},"examples":60,"statistics":[X],"blocks":[],"embedding":'
        '{"dimensions":1,"covariance":[0.08]},"answers":{"classes":{"labels":["no","yes"],"answered":[30,30],"expected":'
        '[29,31],"right":50,"confidence":C}}}'
    ).replace("X", sketch.replace("NAME", "x"), 1).replace("C}", sketch.replace("NAME", "confidence") + "}", 1)


def main():
    kinds = {
        "scheme": schemes(),
        "manifest": manifests(),
        "signature": signatures(),
        "bundle": bundles(),
        "profile": profiles(),
    }
    for target, texts in kinds.items():
        folder = REPOSITORY / "fuzz" / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for text in texts:
            data = text if isinstance(text, bytes) else text.encode()
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
