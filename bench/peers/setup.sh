#!/usr/bin/env bash
# Makes a Python environment under target/ from PyPI packages alone. A second call does nothing.
#
#   bench/peers/setup.sh          target/peers-venv: PyTorch, Keras, JAX and the ONNX tools (7 GB)
#   bench/peers/setup.sh onnx     target/onnx-venv: onnx, onnxruntime, numpy (for onnx_agreement.py)
#   bench/peers/setup.sh oms      target/oms-venv: model-signing, cyclonedx-python-lib (for bench/checks/signing.py)
#   bench/peers/setup.sh serving  target/serving-venv: tritonclient, FastAPI, schemathesis (for triton_client.py and bench/serving)
#   bench/peers/setup.sh packaging    target/packaging-venv: the schemas of Kubernetes and KServe (for bench/checks/packaging.py)
set -euo pipefail
cd "$(dirname "$0")/../.."

alone=() # requirements that are installed without their own
case "${1:-peers}" in
  peers) venv=target/peers-venv; requirements=(bench/peers/requirements.txt bench/peers/requirements-onnx.txt) ;;
  onnx) venv=target/onnx-venv; requirements=(bench/peers/requirements-onnx.txt) ;;
  oms) venv=target/oms-venv; requirements=(bench/peers/requirements-oms.txt) ;;
  serving) venv=target/serving-venv; requirements=(bench/peers/requirements-serving.txt) ;;
  packaging)
    venv=target/packaging-venv requirements=(bench/peers/requirements-packaging.txt)
    alone=(bench/peers/requirements-kserve.txt) ;;
  *) echo "usage: $0 [peers|onnx|oms|serving|packaging]" >&2; exit 2 ;;
esac

# The stamp holds what is installed, so a changed requirements file installs again.
stamp="$venv/installed.txt"
if [[ -f "$stamp" ]] && cat "${requirements[@]}" "${alone[@]}" | cmp --silent - "$stamp"; then
  echo "$venv is ready"
  exit 0
fi
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "$0: Python 3.11 or newer is needed (found: $(python3 --version 2>&1))" >&2
  exit 1
fi
[[ -x "$venv/bin/python" ]] || python3 -m venv "$venv"
arguments=()
for file in "${requirements[@]}"; do arguments+=(--requirement "$file"); done
"$venv/bin/python" -m pip install --quiet --no-compile "${arguments[@]}"
for file in "${alone[@]}"; do "$venv/bin/python" -m pip install --quiet --no-compile --no-deps --requirement "$file"; done
cat "${requirements[@]}" "${alone[@]}" > "$stamp"
echo "$venv is ready"
