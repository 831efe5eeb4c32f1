// Adds the token to requests, for the conformance suite, which sends none. Prints its port.
import { createServer, request } from "node:http";

const { hostname, port } = new URL(process.env.URL);
const authorization = `Bearer ${process.env.TOKEN}`;

const server = createServer((asked, answer) => {
  const options = { hostname, port, path: asked.url, method: asked.method, headers: { ...asked.headers, authorization } };
  const passed = request(options, (reply) => {
    answer.writeHead(reply.statusCode, reply.headers);
    reply.pipe(answer);
  });
  passed.on("error", () => answer.destroy());
  answer.on("close", () => passed.destroy());
  asked.pipe(passed);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
