#!/usr/bin/env bash
# Downloads the source of CPython's release that python-wasm/python.wasm.lock names, from the Debian archive that this machine
# uses, and unpacks its library into target/. Prints the directory of CPython's own tests in it, the value for CPYTHON_TESTS.
# Runs on Debian.
set -euo pipefail
cd "$(dirname "$0")/.."

read -r _ _ version sha256 path _ < <(grep '^source *python3' python-wasm/python.wasm.lock)
folder=$PWD/target/cpython-$version
if [ ! -d "$folder" ]; then
    rm -rf "$folder.new" && mkdir -p "$folder.new"
    # The release of Debian that this machine runs does not matter.
    # shellcheck disable=SC2016
    archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
    /usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file "${archive%/}/$path" "$folder.new/source" "SHA256:$sha256" >&2
    tar -xf "$folder.new/source" -C "$folder.new" --strip-components=1 "Python-$version/Lib"
    rm "$folder.new/source"
    mv "$folder.new" "$folder"
fi
echo "$folder/Lib/test"
