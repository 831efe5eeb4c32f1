"""Uses the service at URL with TOKEN, and the command in EXECUTOR, as the installed Python SDK does: 1.x or 2.x."""

import asyncio
import json
import os
from importlib.metadata import version

URL, TOKEN, EXECUTOR = (os.environ[name] for name in ("URL", "TOKEN", "EXECUTOR"))
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
MAJOR = int(version("mcp").split(".")[0])


def structured(result):
    return result.structuredContent if MAJOR == 1 else result.structured_content


def failed(result):
    return result.isError if MAJOR == 1 else result.is_error


async def use(name, client):
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["execute_python", "search_tools", "check_python"], tools
    done = await client.call_tool("execute_python", {"code": "print('hi')\n6 * 7"})
    assert structured(done) == {"outcome": "completed", "value": 42, "stdout": "hi\n"}, done
    assert json.loads(done.content[0].text) == structured(done), done
    error = await client.call_tool("execute_python", {"code": "1 / 0"})
    assert failed(error) and "ZeroDivisionError" in error.content[0].text, error
    found = await client.call_tool("search_tools", {"query": ""})
    assert not failed(found), found
    assert len((await client.list_prompts()).prompts) == 1
    await client.list_resources()
    print(f"{name}: as expected")


async def with_1():
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client
    from mcp.client.streamable_http import streamablehttp_client

    async with streamablehttp_client(URL, headers=HEADERS) as (read, write, _):
        async with ClientSession(read, write) as client:
            await client.initialize()
            await use("Python SDK 1.x, HTTP", client)
    child = StdioServerParameters(command=EXECUTOR, args=["mcp"], env={"CACHE_DIR": os.environ["CACHE_DIR"]})
    async with stdio_client(child) as (read, write), ClientSession(read, write) as client:
        await client.initialize()
        await use("Python SDK 1.x, stdio", client)


async def with_2():
    import httpx2
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(headers=HEADERS) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            await use("Python SDK 2.x, HTTP", client)
    child = StdioServerParameters(command=EXECUTOR, args=["mcp"], env={"CACHE_DIR": os.environ["CACHE_DIR"]})
    async with Client(stdio_client(child)) as client:
        await use("Python SDK 2.x, stdio", client)


asyncio.run(with_1() if MAJOR == 1 else with_2())
