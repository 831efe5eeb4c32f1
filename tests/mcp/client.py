"""A client for the protocol's conformance suite: programs in the sandbox call the tools of the suite's server.

usage: client.py URL

The suite appends the URL of a scenario's server and names the scenario in the environment. `EXECUTOR` is the executor's
binary. Exits with the status of the executor.
"""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Fails unless each of the tools can be called. Arguments come as the program's variables.
CALLS = """
import suite
_ = [await getattr(suite, name)(**arguments) for name, arguments in calls]
"""

# Calls each tool that there is; a module has its own names beside them.
ALL = """
import suite
def is_tool(name):
    return not name.startswith("_") and name[0].islower()
for name in filter(is_tool, dir(suite)):
    await getattr(suite, name)(**{parameter: "x" for parameter in parameters.get(name, [])})
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

# The suite starts all scenarios at once, but several executors at once would only be slower.
LOCK = Path(tempfile.gettempdir()) / f"ai-code-executor-conformance-{os.getuid()}"


def program(scenario: str, given: dict) -> tuple[str, dict] | None:
    """Returns the program for a scenario and its variables, or None if connecting is all that there is to test."""
    match scenario:
        case "tools_call":
            return CALLS, {"calls": [("add_numbers", {"a": 2, "b": 3})]}
        case "http-standard-headers":
            return CALLS, {"calls": [("test_headers", {}), ("my_hyphenated_tool", {})]}
        case "http-custom-headers":
            return CALLS, {"calls": [(call["name"], call["arguments"]) for call in given["toolCalls"]]}
        case "http-invalid-tool-headers":
            return ALL, {"parameters": {"valid_tool": ["region"]}}
        case "sep-2322-client-request-state":
            return QUESTIONS, {}
        case "sse-retry":
            return CALLS, {"calls": [("test_reconnection", {})]}
        case "elicitation-sep1034-client-defaults":
            return CALLS, {"calls": [("test_client_elicitation_defaults", {})]}
    return None


def main(url: str) -> int:
    given = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    wanted = program(os.environ["MCP_CONFORMANCE_SCENARIO"], given)
    with tempfile.TemporaryDirectory() as name, LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        work = Path(name)
        (work / "tools.toml").write_text(f"[mcp.suite]\nurl = {json.dumps(url)}\n")
        environment = os.environ | {
            "ENABLE_MCP_NETWORK_TOOLS": "true",
            "TOOL_SIGNING_KEY": "a key for tests, which all know!",
            "TOOLS_CONFIG": str(work / "tools.toml"),
        }
        command = [os.environ["EXECUTOR"], "tools"]
        if wanted:
            code, variables = wanted
            (work / "program.py").write_text(code)
            (work / "context.json").write_text(json.dumps(variables))
            context = ["--context", str(work / "context.json")]
            command = [os.environ["EXECUTOR"], "run", "--json", *context, str(work / "program.py")]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
