#!/usr/bin/env bash
# Clients of the Model Context Protocol against the service: Python and TypeScript SDKs of both generations, LangChain, the
# inspector. Then the protocol's conformance suite, against our server and our client. Some minutes.
#
# usage: tests/mcp/run.sh [BINARY [FIXTURES]]
#        default: target/debug/ai-code-executor target/debug/examples/mcp_fixtures
#
# Installs the clients from PyPI and npm into target/mcp. What cannot be installed is skipped, and named.
set -euo pipefail
cd "$(dirname "$0")/../.."

EXECUTOR=$(realpath "${1:-target/debug/ai-code-executor}")
fixtures=$(realpath "${2:-target/debug/examples/mcp_fixtures}")
clients=$PWD/target/mcp
export EXECUTOR TOKEN=token-for-clients-of-mcp CACHE_DIR="$PWD/target/tmp/images"
mkdir -p "$clients"

skipped() { echo "SKIPPED: $1" >&2; }

# venv NAME PACKAGE…: a virtual environment with these packages.
venv() {
    local dir=$clients/$1
    [ -d "$dir" ] && return
    rm -rf "$dir.new"
    python3 -m venv "$dir.new" && "$dir.new/bin/pip" install --quiet "${@:2}" && mv "$dir.new" "$dir"
}

node() { "$clients/npm/node_modules/.bin/node" "$@"; }

npm_packages() {
    [ -d "$clients/npm" ] && return
    command -v npm >/dev/null || return
    rm -rf "$clients/npm.new" && mkdir "$clients/npm.new"
    # The conformance suite needs a newer Node.js than distributions have.
    (cd "$clients/npm.new" && npm install --silent --no-fund --no-audit node@24 \
        @modelcontextprotocol/conformance@0.2.0-alpha.12 @modelcontextprotocol/sdk@1 @modelcontextprotocol/client@2 \
        @modelcontextprotocol/inspector@0.15) && mv "$clients/npm.new" "$clients/npm"
}

work=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null; wait "${started[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

# service NAME PATH COMMAND…: starts a service, waits until it answers at PATH, and puts its URL for MCP into `url`.
service() {
    local log=$work/$1.log path=$2 address
    EXECUTOR_API_TOKEN=$TOKEN "${@:3}" 2>"$log" &
    started+=($!)
    for _ in $(seq 3000); do
        address=$(sed -n 's/.*listening address=\([0-9.:]*\).*/\1/p' "$log")
        url=http://$address/mcp
        if [ -n "$address" ] && curl --silent --fail --output /dev/null "http://$address$path"; then return; fi
        if ! kill -0 "${started[-1]}" 2>/dev/null; then break; fi
        sleep 0.1
    done
    cat "$log" >&2
    exit 1
}

service executor /ready env SERVICE_PORT=0 STORE="$work/store" "$EXECUTOR"
export URL=$url EXECUTOR_API_TOKEN=$TOKEN

said=$(python3 examples/agent.py --url "$URL")
[[ $said == *'"cold": [18.0]'* ]] || { echo "$said" >&2; exit 1; }
echo "examples/agent.py: as expected"

if venv sdk1 'mcp<2' langchain-mcp-adapters; then
    "$clients/sdk1/bin/python" tests/mcp/sdk.py
    said=$("$clients/sdk1/bin/python" examples/agent.py --url "$URL" --langchain)
    [[ $said == *'"cold":[18.0]'*'It was cold once.' ]] || { echo "$said" >&2; exit 1; }
    echo "examples/agent.py --langchain: as expected"
else
    skipped "the Python SDK 1.x and LangChain cannot be had from PyPI"
fi
if venv sdk2 'mcp>=2,<3'; then
    "$clients/sdk2/bin/python" tests/mcp/sdk.py
else
    skipped "the Python SDK 2.x cannot be had from PyPI"
fi

if ! npm_packages; then
    skipped "the TypeScript SDKs, the inspector and the conformance suite cannot be had from npm"
    exit 0
fi
# Modules are found beside the file that imports them.
cp tests/mcp/*.mjs "$clients/npm/"
node "$clients/npm/typescript.mjs"

bin=$clients/npm/node_modules/.bin

# proxy URL: starts a proxy that adds the token, and puts its URL into `proxied`.
proxy() {
    rm -f "$work/port"
    URL=$1 "$bin/node" "$clients/npm/proxy.mjs" >"$work/port" &
    started+=($!)
    for _ in $(seq 100); do
        [ -s "$work/port" ] && break
        sleep 0.1
    done
    proxied=http://127.0.0.1:$(cat "$work/port")/mcp
}
proxy "$URL"

called() { node "$bin/mcp-inspector" --cli "$@" --method tools/call --tool-name execute_python --tool-arg 'code=6*7'; }
for said in "$(called "$proxied" --transport http)" "$(called "$EXECUTOR" mcp)"; do
    [[ $said == *'"value": 42'* ]] || { echo "$said" >&2; exit 1; }
done
echo "inspector, HTTP and stdio: as expected"

conformance() { node "$bin/conformance" "$@" --output-dir "$work/results" >"$work/conformance" 2>&1; }

# judged REVISION ROLE OPTION…: runs all that the suite has for a revision. Other failures than those expected are an error.
judged() {
    local revision=$1 role=$2
    conformance "$role" "${@:3}" --requirements "$revision" --expected-failures "tests/mcp/expected-failures-$revision.yml" ||
        { cat "$work/conformance" >&2; exit 1; }
    python3 tests/mcp/score.py "$clients/npm/node_modules/@modelcontextprotocol/conformance/requirements/$revision.yaml" \
        "$role" "$work/conformance"
}

# Scenarios that need none of the suite's own tools.
for scenario in tools-list resources-list prompts-list caching sep-2164-resource-not-found dns-rebinding-protection \
    http-header-validation server-initialize ping; do
    conformance server --url "$proxied" --scenario "$scenario" || { cat "$work/conformance" >&2; exit 1; }
done
echo "conformance suite, the executor's own tools: as expected"

service fixtures /health "$fixtures"
proxy "$url"
for revision in 2026-07-28 2025-11-25; do
    judged "$revision" server --url "$proxied"
    # Each program makes an image. Those that are in use, as the service's is, stay in the cache.
    judged "$revision" client --command "python3 tests/mcp/client.py" --timeout 300000
done
