"""An MCP server on standard input and output that does what it is asked to."""

import json
import os
import sys
import time

TOOLS = ["echo", "environ", "read", "write", "die", "huge", "junk", "drip", "wrong_id", "log", "pid", "children", "change"]
changed = False


def send(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def listed():
    schema = {"type": "object", "properties": {"value": {}}}
    tools = [{"name": name, "inputSchema": schema} for name in TOOLS]
    if changed:
        tools[0] = {**tools[0], "description": "Now another."}
        tools = [tool for tool in tools if tool["name"] != "wrong_id"] + [{"name": "added", "inputSchema": schema}]
    return {"tools": tools}


def attempt(function):
    try:
        return function()
    except OSError as error:
        return type(error).__name__


def call(id, name, value):
    global changed
    if name == "die":
        os._exit(1)
    if name == "huge":
        return "x" * 20_000_000
    if name == "junk":
        sys.stdout.write("not json\n{}\n" + "[" * 100_000 + "\n\x00\xff\n")
        send({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "hi"}})
        send({"jsonrpc": "2.0", "id": 77, "method": "sampling/createMessage", "params": {}})
        return "well"
    if name == "drip":
        time.sleep(60)
    if name == "wrong_id":
        send({"jsonrpc": "2.0", "id": 4_000_000, "result": {"content": []}})
        return "well"
    if name == "log":
        print("a line of the log\x1b[31m " + "y" * 10_000, file=sys.stderr, flush=True)
        return "logged"
    if name == "environ":
        return json.dumps({**os.environ, "cwd": os.getcwd()})
    if name == "read":
        return attempt(lambda: open(value).read())
    if name == "write":
        return attempt(lambda: open(value, "w").write("x") and "written")
    if name == "pid":
        return json.dumps([os.getpid(), os.getppid()])
    if name == "change":
        changed = True
        send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        return "changed"
    return json.dumps(value)


for line in sys.stdin:
    message = json.loads(line)
    method, id = message.get("method"), message.get("id")
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        info = {"name": "fake", "version": "1"}
        result = {"protocolVersion": version, "capabilities": {"tools": {"listChanged": True}}, "serverInfo": info}
        send({"jsonrpc": "2.0", "id": id, "result": result})
    elif method == "tools/list":
        send({"jsonrpc": "2.0", "id": id, "result": listed()})
    elif method == "tools/call":
        text = call(id, message["params"]["name"], message["params"].get("arguments", {}).get("value"))
        send({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": text}]}})
    elif method and id is not None:
        send({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "Method not found"}})
