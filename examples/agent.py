#!/usr/bin/env python3
"""What an agent does with the executor, over the Model Context Protocol, with a script in the place of its model.

    cargo run --release                            # in another terminal
    python3 examples/agent.py                      # needs nothing but Python
    pip install langchain-mcp-adapters
    python3 examples/agent.py --langchain          # the same through LangChain

The token is that of EXECUTOR_API_TOKEN.
"""

import argparse
import asyncio
import json
import os
import urllib.request

REVISION = "2026-07-28"

# What a model would write. The second program goes on with the variables of the first.
PROGRAMS = [
    "readings = [19.5, 21.0, 18.0, 23.5]\nlen(readings)",
    "import statistics\n{'mean': statistics.mean(readings), 'cold': [t for t in readings if t < 19]}",
]


class Executor:
    """A client of the stateless revision of the protocol: each request says everything."""

    def __init__(self, url, token):
        self.url, self.token = url, token

    def request(self, method, **params):
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": method,
        }
        if "name" in params:
            headers["Mcp-Name"] = params["name"]
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url, body, headers)) as answer:
            message = json.load(answer)
        if "error" in message:
            raise RuntimeError(message["error"]["message"])
        return message["result"]

    def call(self, tool, **arguments):
        result = self.request("tools/call", name=tool, arguments=arguments)
        if result.get("isError"):
            raise RuntimeError(result["content"][0]["text"])
        return result["structuredContent"]


def scripted(url, token):
    executor = Executor(url, token)
    print("tools:", ", ".join(tool["name"] for tool in executor.request("tools/list")["tools"]))
    print("functions for programs:", executor.call("search_tools", query="")["total"])
    state = "new"
    for program in PROGRAMS:
        done = executor.call("execute_python", code=program, state=state)
        state = done["state"]
        print("value:", json.dumps(done["value"]))


async def through_langchain(url, token):
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_mcp_adapters.client import MultiServerMCPClient

    headers = {"Authorization": f"Bearer {token}"}
    client = MultiServerMCPClient({"python": {"transport": "streamable_http", "url": url, "headers": headers}})
    tools = {tool.name: tool for tool in await client.get_tools()}
    print("tools:", ", ".join(tools))
    program = "\n".join(PROGRAMS)
    call = {"name": "execute_python", "args": {"code": program}, "id": "call-1", "type": "tool_call"}
    model = GenericFakeChatModel(messages=iter([AIMessage("", tool_calls=[call]), AIMessage("It was cold once.")]))
    messages = [("user", "How cold was it?")]
    while (answer := await model.ainvoke(messages)).tool_calls:
        messages.append(answer)
        for call in answer.tool_calls:
            result = await tools[call["name"]].ainvoke(call)
            print("result:", result.content[0]["text"])
            messages.append(result)
    print("answer:", answer.content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://localhost:8030/mcp")
    parser.add_argument("--langchain", action="store_true")
    arguments = parser.parse_args()
    token = os.environ.get("EXECUTOR_API_TOKEN", "local-dev-token")
    if arguments.langchain:
        asyncio.run(through_langchain(arguments.url, token))
    else:
        scripted(arguments.url, token)


main()
