#!/usr/bin/env bash
# Creates a virtual environment in target/, from PyPI, with an independent implementation of RFC 9421 and the packages
# of the README's example. Prints the path of its Python, the value for SIGNING_PYTHON in tests/all/python.rs.
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
