#!/usr/bin/env python3
"""Does a bill of materials keep to the published JSON schema of CycloneDX 1.6, strictly?

    bench/peers/setup.sh oms
    target/oms-venv/bin/python bench/peers/bom_schema.py stock.cdx.json
"""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main():
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(sys.argv[1]).read_text())
    if found:
        sys.exit(f"{sys.argv[1]}: {found!r}")
    print(f"{sys.argv[1]}: valid")


if __name__ == "__main__":
    main()
