#!/usr/bin/env bash
# Compares the public interface of the libraries with docs/public-api/, or writes it there (`--write`).
set -euo pipefail
cd "$(dirname "$0")/.."

# JSON is an unstable output of rustdoc. The variable reaches rustdoc alone: crates would be built anew for it.
target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target/public-api"
printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n' > "$target/public-api/rustdoc"
chmod +x "$target/public-api/rustdoc"

for package in ai-code-executor http-signing sealed-store; do
    name=${package//-/_}
    RUSTDOC=$target/public-api/rustdoc cargo rustdoc --locked --quiet --package "$package" --lib -- \
        -Z unstable-options --output-format json
    cargo run --locked --quiet --package public-api-text -- "$target/doc/$name.json" > "$target/public-api/$name.txt"
    if [[ ${1-} == --write ]]; then
        mkdir -p docs/public-api
        cp "$target/public-api/$name.txt" "docs/public-api/$name.txt"
    elif ! diff -u "docs/public-api/$name.txt" "$target/public-api/$name.txt"; then
        echo "The public interface of $package has changed: if it should, run \`make public-api\` and commit" >&2
        exit 1
    fi
done
