#!/usr/bin/env bash
# Builds the documentation as a book: target/book/index.html.
#
# The pages lie in docs/, in the root and beside what they describe. They link to each other and to sources by relative
# paths, so the book's source is a copy of the repository in which every such link resolves.
#
# Installs mdBook from crates.io into target/tools when it is absent. When that fails, says so and passes.
set -euo pipefail
cd "$(dirname "$0")/.."

PATH=$PWD/target/tools/bin:$PATH
if ! command -v mdbook >/dev/null &&
    ! cargo install --locked --no-default-features --debug --root target/tools mdbook@0.5.4; then
    echo "SKIPPED: the book: mdBook cannot be had from crates.io on this machine" >&2
    exit 0
fi

rm -rf target/book target/book-source
mkdir -p target/book-source
git ls-files -z --cached --others --exclude-standard -- . ':!*.zst' ':!docs/book.*' |
    xargs -0 cp --parents --target-directory target/book-source
# mdBook turns a README into the index of its folder, but not the links to it.
find target/book-source -name '*.md' -exec sed -i -E 's#(\]\([^)]*)README\.md#\1index.md#g' {} +
# Links of the summary are relative to docs/; mdBook reads it at the root of its source.
sed -E 's#\]\(\.\./#](#; t; s#\]\(#](docs/#' docs/SUMMARY.md > target/book-source/SUMMARY.md
mdbook build docs
