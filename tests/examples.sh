#!/usr/bin/env bash
# Runs the small examples, and compares what they say.
set -euo pipefail
cd "$(dirname "$0")/.."

says() {
    local name=$1 expected=$2 said
    said=$(cargo run --locked --quiet --example "$name")
    [[ $said == $expected ]] || { echo "$name says: $said" >&2; exit 1; }
    echo "$name: as expected"
}

says embed '{"hall":16,"attic":17}'
says custom_tools "garden {'locked': False}
ToolDenied: Tool 'door.unlock' was denied: ask the owner
ToolError: there is no door 'cellar'"
says caller_tools '3 events
most on tuesday'
says many '1000 programs in * ms'

cargo build --locked --quiet --example embed_axum
coproc SERVICE { exec target/debug/examples/embed_axum 127.0.0.1:0; }
trap 'kill "$SERVICE_PID"' EXIT
read -r url <&"${SERVICE[0]}"
post() { curl --silent --show-error --max-time 30 --data "$1" "$url/analyze"; }
[[ $(post 'sum(order["amount"] for order in orders)') == '{"value":42}' ]]
[[ $(post '1 / 0') == *ZeroDivisionError* ]]
[[ $(post 'import os') == *findings* ]]
[[ $(curl --silent --max-time 30 "$url/metrics") == *'code_executions_total{status="success"} 1'*'# EOF' ]]
echo "embed_axum: as expected"
