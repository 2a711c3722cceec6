// CONFORMANCE.md section 1: 200 messages a second while 40 clients join every
// 60 ms and upgrade. Each must see consecutive numbers.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";
import { call, empty, eventually, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const joiners = 40;

async function fanout(t, io, server, port) {
  const publisher = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
  let n = 0;
  const load = setInterval(() => publisher.publish("sb:numbers", `${n++}`), 5);
  t.after(() => clearInterval(load));

  const sockets = [];
  const seen = [];
  for (let i = 0; i < joiners; i++) {
    const socket = io(server.url, { forceNew: true, reconnection: false });
    t.after(() => socket.close());
    const numbers = [];
    socket.on("numbers", (number) => numbers.push(number));
    socket.on("disconnect", (reason) => numbers.push(`disconnected: ${reason}`));
    socket.on("connect", () => call(socket, "subscribe", "numbers"));
    sockets.push(socket);
    seen.push(numbers);
    await sleep(60);
  }
  await eventually("everybody is on a WebSocket", () => {
    return sockets.every((s) => s.io.engine.transport.name === "websocket" && !s.io.engine.upgrading);
  });
  await sleep(500);
  await eventually("the last to come has heard many", () => seen.every((numbers) => numbers.length > 50));
  clearInterval(load);
  await publisher.close();
  const last = n - 1;
  await eventually("the last number has come", () => seen.every((numbers) => numbers.at(-1) === last));
  for (const numbers of seen) {
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => numbers[0] + i),
    );
    assert.ok(numbers.length > 50, `only ${numbers.length} numbers`);
  }
  for (const socket of sockets) socket.close();
  await empty(server);
}

for (const [version, name] of [
  ["2.5.0", "sio-client-2"],
  ["4.8.4", "sio-client-4"],
]) {
  test(`${joiners} clients of ${version} join under load`, async (t) => {
    await t.test("embedded broker", async (t) => {
      const server = await startServer(t);
      await fanout(t, require(name), server, server.broker);
    });
    await t.test("redis-server", async (t) => {
      const redis = await startRedis(t);
      const server = await startServer(t, [`--redis=${redis.url}`]);
      await fanout(t, require(name), server, redis.port);
    });
  });
}
