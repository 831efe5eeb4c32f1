#!/usr/bin/env bash
# Downloads CPython's own tests, Debian's package libpython3.13-testsuite, into target/. Prints their directory, the value
# for CPYTHON_TESTS in tests/all/differential.rs. Runs on Debian; does not change the installed packages.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/target/cpython-tests
if [ ! -d "$folder" ]; then
    apt=$(mktemp -d)
    trap 'rm -rf "$apt"' EXIT
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    # The Debian archive that this machine uses; its own release does not matter.
    # shellcheck disable=SC2016
    archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive trixie main" > "$apt/sources.list"
    options=(-q -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$apt/lists"
        -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update >&2
    (cd "$apt" && apt-get "${options[@]}" download libpython3.13-testsuite >&2)
    dpkg-deb --extract "$apt"/libpython3.13-testsuite_*.deb "$apt/unpacked"
    mkdir -p target
    mv "$apt/unpacked/usr/lib/python3.13/test" "$folder"
fi
echo "$folder"
