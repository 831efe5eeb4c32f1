#!/usr/bin/env bash
# Packages from PyPI in the sandbox: each program beside this file runs under both policies and checks its own results.
#
# usage: tests/packages/run.sh [BINARY]     default: target/debug/ai-code-executor
#
# Installs the packages into target/packages. Without PyPI, it says SKIPPED.
set -euo pipefail
cd "$(dirname "$0")/../.."

executor=$(realpath "${1:-target/debug/ai-code-executor}")
export PACKAGES=$PWD/target/packages CACHE_DIR=$PWD/target/tmp/images MAX_MEMORY_MB=256 MAX_CPU_PERCENT=100

# install OPTION… PACKAGE…
install() {
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile \
        --only-binary :all: --python-version 3.13 --target "$PACKAGES.new" --upgrade "$@"
}

if [ ! -d "$PACKAGES" ]; then
    rm -rf "$PACKAGES.new"
    # PyYAML works without its machine code, but has no distribution without it.
    if ! install --implementation py --abi none --platform any attrs==26.1.0 more-itertools==11.2.1 networkx==3.6.1 \
        pydantic==1.10.27 python-dateutil==4.0.0 sympy==1.14.0 tabulate==0.10.0 ||
        ! install --no-deps --platform manylinux2014_x86_64 PyYAML==6.0.4; then
        echo "SKIPPED: packages cannot be had from PyPI on this machine" >&2
        exit 0
    fi
    find "$PACKAGES.new" \( -name '*.so' -o -name tests \) -prune -exec rm -rf {} +
    mv "$PACKAGES.new" "$PACKAGES"
fi
for policy in strict open; do
    for program in tests/packages/*.py; do
        POLICY=$policy "$executor" run "$program"
        echo "$program, policy $policy: as expected"
    done
done
