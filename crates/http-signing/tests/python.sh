#!/usr/bin/env bash
# Makes a virtual environment in target/, from PyPI, with an independent implementation of RFC 9421 and what the example
# in the README needs, and prints its Python's path: what SIGNING_PYTHON of tests/all/python.rs names.
set -euo pipefail
cd "$(dirname "$0")/../../.."

venv=$PWD/target/signing
if [ ! -d "$venv" ]; then
    rm -rf "$venv.new"
    python3 -m venv "$venv.new" >&2
    "$venv.new/bin/pip" install --quiet 'http-message-signatures==3.*' 'fastapi<1' 'uvicorn<1' >&2
    mv "$venv.new" "$venv"
fi
echo "$venv/bin/python"
