#!/usr/bin/env bash
# Property-based tests of the HTTP service against its own /openapi.json: about a minute.
#
# usage: tests/schemathesis.sh [BINARY]     default: target/debug/ai-code-executor
#
# Installs schemathesis (PyPI) into target/schemathesis. If that fails, the script prints a note and passes.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=${1:-target/debug/ai-code-executor}
venv=$PWD/target/schemathesis
config=$PWD/tests/schemathesis.toml
token=token-for-schemathesis

if [ ! -x "$venv/bin/schemathesis" ]; then
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'schemathesis==4.*'; } >/dev/null 2>&1; then
        rm -rf "$venv"
        echo "SKIPPED: schemathesis is not installed and cannot be installed from PyPI" >&2
        exit 0
    fi
fi

work=$(mktemp -d)
: >"$work/log"
EXECUTOR_API_TOKEN=$token SERVICE_PORT=0 EXECUTION_TIMEOUT=2 CACHE_DIR="$PWD/target/tmp/images" STORE="$work/store" \
    "$binary" 2>"$work/log" &
service=$!
trap 'cd /; kill "$service" 2>/dev/null; wait "$service" 2>/dev/null; rm -rf "$work"' EXIT

address=
for _ in $(seq 3000); do
    address=$(sed -n 's/.*listening address=\([0-9.:]*\).*/\1/p' "$work/log")
    if [ -n "$address" ] && curl --silent --fail --output /dev/null "http://$address/ready"; then break; fi
    if ! kill -0 "$service" 2>/dev/null; then break; fi
    sleep 0.1
done
if ! curl --silent --fail --output /dev/null "http://$address/ready"; then
    cat "$work/log" >&2
    exit 1
fi

cd "$work" # schemathesis leaves a cache behind
"$venv/bin/schemathesis" --config-file "$config" run "http://$address/openapi.json" \
    --header "X-Executor-Token: $token" --header "Authorization: Bearer $token" --checks all --max-examples 200 --request-timeout 20 \
    --seed 1 --generation-database none --no-color
