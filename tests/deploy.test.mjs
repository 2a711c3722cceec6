// Clients of every version are let go by a server that ends, and are back on
// another one by themselves, with what was sent to them before.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as forward } from "node:http";
import { createRequire } from "node:module";
import { connect as dial } from "node:net";
import { test } from "node:test";
import { Client } from "../client-js/src/client.js";
import { connect, kinds, versions } from "./matrix/clients.mjs";
import { eventually, redisCli, startServer } from "./support.mjs";

const WebSocket = createRequire(import.meta.url)("ws"); // Node 20 has none of its own

/** The session that a request is of, if it is of one. */
const sidOf = (url) => /[?&]sid=([^&]+)/.exec(url)?.[1] ?? /\/1\/[\w-]+\/([\w-]+)/.exec(url)?.[1];

/** The session that an answer to a handshake begins. */
const begunBy = (text) => /"sid":"([\w-]+)"/.exec(text)?.[1] ?? /^([\w-]+):\d*:\d*:/.exec(text)?.[1];

/** A balancer that sends sessions to the server that knows them, and new ones to its target. */
async function startBalancer(t) {
  const balancer = { target: 0, url: "" };
  const owners = new Map();
  const portFor = (url) => (sidOf(url) && owners.get(sidOf(url))) ?? balancer.target;
  const server = createServer((request, response) => {
    const { method, headers, url } = request;
    const port = portFor(url);
    const onward = forward({ host: "127.0.0.1", port, method, headers, path: url, agent: false }, (answer) => {
      if (!sidOf(url)) answer.once("data", (data) => owners.set(begunBy(`${data}`), port));
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  server.on("upgrade", ({ url, rawHeaders }, near, head) => {
    const far = dial(portFor(url), "127.0.0.1");
    const lines = rawHeaders.map((text, i) => (i % 2 ? `${text}\r\n` : `${text}: `));
    far.write(`GET ${url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    far.write(head);
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  balancer.url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  return balancer;
}

const port = (server) => Number(new URL(server.url).port);

/** What a client has seen, at first. */
const nothing = () => ({ sessions: 0, reasons: [], numbers: [], settled: () => true });

test("clients of all versions come back from a server that ends", async (t) => {
  const [first, second] = [await startServer(t, ["--drain=1s"]), await startServer(t)];
  const balancer = await startBalancer(t);
  balancer.target = port(first);
  const all = [];
  for (const row of versions) {
    for (const kind of kinds) {
      const client = connect(row, balancer.url, kind);
      t.after(() => client.end());
      const seen = { name: `${row.version} ${kind}`, drop: row.Client.reasons.drop, ...nothing() };
      client.on("$session", () => {
        seen.sessions++;
        client.emit("subscribe", "numbers");
      });
      client.on("disconnect", (reason) => seen.reasons.push(reason));
      client.on("numbers", (n) => seen.numbers.push(n));
      seen.settled = () => client.transportName() === client.wanted;
      all.push(seen);
    }
    await eventually(`${row.version} is connected`, () => all.every((seen) => seen.sessions === 1 && seen.settled()));
  }
  for (const transport of ["websocket", "polling"]) {
    const client = new Client(balancer.url, { transports: [transport], WebSocket });
    t.after(() => client.close());
    const seen = { name: `SB ${transport}`, drop: "transport close", ...nothing() };
    client.on("session", () => seen.sessions++);
    client.on("disconnect", (reason) => seen.reasons.push(reason));
    client.comet("numbers", (n) => seen.numbers.push(n));
    all.push(seen);
  }
  await eventually("all are connected", () => all.every((seen) => seen.sessions === 1 && seen.settled()));
  await eventually("all hear", async () => {
    return (await redisCli(first.broker, "PUBLISH", "sb:numbers", "1")) === `${all.length}`;
  });

  balancer.target = port(second);
  const ended = first.stop();
  for (let n = 2; all.some((seen) => seen.reasons.length === 0); n++) {
    await redisCli(first.broker, "PUBLISH", "sb:numbers", `${n}`).catch(() => {}); // it may have ended
  }
  assert.equal(await ended, 0);
  await eventually("all are back", () => all.every((seen) => seen.sessions === 2), 20_000);
  await eventually("all hear again", async () => {
    return (await redisCli(second.broker, "PUBLISH", "sb:numbers", "0")) === `${all.length}`;
  });
  await eventually("all have heard", () => all.every((seen) => seen.numbers.at(-1) === 0));
  for (const seen of all) {
    assert.equal(seen.reasons.length, 1, `${seen.name} was let go more than once: ${seen.reasons}`);
    // A client that polls is told by its poll or, between two of them, by what the next meets.
    const polls = seen.name.endsWith(" P") || seen.name.startsWith("1.0");
    const drops = polls ? [seen.drop, "transport close", "transport error"] : [seen.drop];
    assert.ok(drops.includes(seen.reasons[0]), `${seen.name}: ${seen.reasons[0]}`);
    const heard = [...new Set(seen.numbers)].filter((n) => n > 1);
    assert.deepEqual(
      heard,
      heard.map((_, i) => i + 2),
      `${seen.name} missed a message before it was let go: ${seen.numbers}`,
    );
  }
});
