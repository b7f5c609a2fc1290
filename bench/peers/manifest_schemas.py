#!/usr/bin/env python3
"""Holds the manifests that `heirloom package` writes against the published schemas and types.

    target/packaging-venv/bin/python bench/peers/manifest_schemas.py KUBERNETES.yaml KSERVE.yaml

Kubernetes' objects are checked with its JSON schemas, strictly: an unknown field is an error. KServe publishes its types
as classes of its Python package; they are read, not imported, for importing them needs a whole server. An object of
Kubernetes inside one is checked with the types of Kubernetes' own client.
"""

import ast
import importlib.metadata
import re
import sys

import kubernetes.client.models as client
import kubernetes_validate
import yaml

# The oldest version whose objects are all of those that are written, one between, the newest known.
VERSIONS = ("1.25", "1.31", "1.37")
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}


def main():
    kubernetes_file, kserve_file = sys.argv[1:]
    objects = list(yaml.safe_load_all(open(kubernetes_file)))
    for version in VERSIONS:
        for each in objects:
            kubernetes_validate.validate(each, version, strict=True)
    [service] = yaml.safe_load_all(open(kserve_file))
    fields = check(service, "V1beta1InferenceService", "InferenceService")
    kinds = ", ".join(each["kind"] for each in objects)
    print(f"{kinds}: valid for Kubernetes {', '.join(VERSIONS)}; InferenceService: {fields} fields known")


def check(value, kind, path):
    """Checks that `value` is of the type called `kind`, and returns how many fields were looked at."""
    if match := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        assert isinstance(value, list), f"{path} is no list"
        return sum(check(each, match[1], f"{path}[{at}]") for at, each in enumerate(value))
    if match := re.fullmatch(r"[Dd]ict[(\[](?:str, )?(.*)[)\]]", kind):
        assert isinstance(value, dict), f"{path} is no map"
        return sum(check(each, match[1], f"{path}.{key}") for key, each in value.items())
    if kind in SCALARS:
        assert isinstance(value, SCALARS[kind]), f"{path} is {value!r}, not {kind}"
        return 1
    names, types = fields_of(kind)
    assert isinstance(value, dict), f"{path} is no object"
    found = 1
    for key, each in value.items():
        assert key in names, f"{path} has no field `{key}`: {kind} has {', '.join(sorted(names))}"
        found += check(each, types[names[key]], f"{path}.{key}")
    return found


def fields_of(kind):
    """The fields of a class: as written -> its attribute, and the types of the attributes."""
    # K8sIoApiCoreV1Container, V1Container: the same class, by KServe's name and by Kubernetes' own.
    name = re.sub(r"^(?:K8sIo\w*?)(?=V\d+[A-Z])", "", kind)
    if known := getattr(client, name, None):
        return {written: attribute for attribute, written in known.attribute_map.items()}, known.openapi_types
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    source = importlib.metadata.distribution("kserve").locate_file(f"kserve/models/{module}.py")
    tree = ast.parse(open(source).read())
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    tables = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in body
        if isinstance(node, ast.Assign) and node.targets[0].id in ("openapi_types", "attribute_map")
    }
    return {written: attribute for attribute, written in tables["attribute_map"].items()}, tables["openapi_types"]


if __name__ == "__main__":
    main()
