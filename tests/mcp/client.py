"""A client for the protocol's conformance suite: programs in the sandbox call the tools of the suite's server.

usage: client.py URL

The suite appends the URL of a scenario's server and names the scenario in the environment. `EXECUTOR` is the executor's
binary. Exits with the status of the executor, or 1 if it cannot connect.
"""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Fails unless each of the tools can be called. JSON, because variables are not nested as deep as arguments.
CALLS = """
import json, suite
_ = [await getattr(suite, name)(**arguments) for name, arguments in json.loads(calls)]
"""

# Calls each tool that there is. A module has `ToolError` and the like beside them.
ALL = """
import inspect, json, suite
for name, tool in inspect.getmembers(suite):
    if name[0].islower():
        await tool(**json.loads(calls).get(name, {}))
"""

# Tools that ask for input fail with a reason; the others do not.
QUESTIONS = """
import suite
refused = []
for name in ["test_mrtr_echo_state", "test_mrtr_no_state"]:
    try:
        await getattr(suite, name)()
    except suite.ToolError as error:
        refused.append(str(error))
assert all("input" in why for why in refused) and len(refused) == 2, refused
_ = [await suite.test_mrtr_unrelated(), await suite.test_mrtr_no_result_type()]
"""


def program(scenario: str, given: dict, tools: dict) -> tuple[str, object] | None:
    """Returns the program for a scenario and the calls to make, or None if connecting is all that there is to test."""
    match scenario:
        case "tools_call":
            return CALLS, [("add_numbers", {"a": 2, "b": 3})]
        case "http-standard-headers":
            return CALLS, [("test_headers", {}), ("my_hyphenated_tool", {})]
        case "http-custom-headers":
            return CALLS, [(call["name"], call["arguments"]) for call in given["toolCalls"]]
        case "http-invalid-tool-headers":
            return ALL, {"valid_tool": {"region": "x"}}
        case "sep-2322-client-request-state":
            return QUESTIONS, None
        case "sse-retry":
            return CALLS, [("test_reconnection", {})]
        case "json-schema-2020-12-preservation":
            schema = tools["json_schema_2020_12_tool"]["parameters"]
            return CALLS, [("json_schema_echo", {"schema": schema})]
        case "elicitation-sep1034-client-defaults":
            return CALLS, [("test_client_elicitation_defaults", {})]
    return None


def environment(registry: Path) -> dict[str, str]:
    return os.environ | {
        "ENABLE_MCP_NETWORK_TOOLS": "true",
        "TOOL_SIGNING_KEY": "a key for tests, which all know!",
        "TOOLS_CONFIG": str(registry),
    }


def main(url: str) -> int:
    given = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    executor, scenario = os.environ["EXECUTOR"], os.environ["MCP_CONFORMANCE_SCENARIO"]
    with tempfile.TemporaryDirectory() as name, open(__file__) as lock:
        # The suite starts all scenarios at once, but several executors at once would only be slower.
        fcntl.flock(lock, fcntl.LOCK_EX)
        work = Path(name)
        registry = work / "tools.toml"
        registry.write_text(f"[mcp.suite]\nurl = {json.dumps(url)}\n")
        listing = [executor, "tools", "--format", "json"]
        listed = subprocess.run(listing, env=environment(registry), stdout=subprocess.PIPE, check=True)
        tools = {tool["name"].removeprefix("suite."): tool for tool in json.loads(listed.stdout)}
        wanted = program(scenario, given, tools)
        if not wanted:
            return 1 if "unavailable" in tools else 0
        code, calls = wanted
        (work / "program.py").write_text(code)
        (work / "context.json").write_text(json.dumps({"calls": json.dumps(calls)}))
        context = ["--context", str(work / "context.json")]
        running = [executor, "run", "--json", *context, str(work / "program.py")]
        return subprocess.run(running, env=environment(registry), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
