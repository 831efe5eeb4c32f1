// Uses the service at URL with TOKEN, and the command in EXECUTOR, as the TypeScript SDKs 1.x and 2.x do.
import assert from "node:assert";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Http1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { Client as Client2, StreamableHTTPClientTransport as Http2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";

const { URL: url, TOKEN: token, EXECUTOR: command, CACHE_DIR } = process.env;
const headers = { Authorization: `Bearer ${token}` };
const child = { command, args: ["mcp"], env: { CACHE_DIR } };

async function use(name, client, transport) {
  await client.connect(transport);
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ["execute_python", "search_tools", "check_python"]);
  const run = (code) => client.callTool({ name: "execute_python", arguments: { code } });
  const done = await run("print('hi')\n6 * 7");
  assert.deepEqual(done.structuredContent, { outcome: "completed", value: 42, stdout: "hi\n" });
  assert.deepEqual(JSON.parse(done.content[0].text), done.structuredContent);
  const failed = await run("1 / 0");
  assert.equal(failed.isError, true);
  assert.match(failed.content[0].text, /ZeroDivisionError/);
  const found = await client.callTool({ name: "search_tools", arguments: { query: "" } });
  assert.equal(found.isError ?? false, false);
  assert.equal((await client.listPrompts()).prompts.length, 1);
  assert.ok((await client.listResources()).resources);
  await client.close();
  console.log(`${name}: as expected`);
}

const me = { name: "test", version: "1" };
await use("TypeScript SDK 1.x, HTTP", new Client1(me), new Http1(new URL(url), { requestInit: { headers } }));
await use("TypeScript SDK 1.x, stdio", new Client1(me), new Stdio1(child));
await use("TypeScript SDK 2.x, HTTP", new Client2(me), new Http2(new URL(url), { requestInit: { headers } }));
await use("TypeScript SDK 2.x, stdio", new Client2(me), new Stdio2(child));
