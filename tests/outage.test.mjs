// Redis is killed and started again while stock clients listen: nobody is
// disconnected, everybody is told, and everybody hears again.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { call, eventually, redisCli, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);

test("Redis is away for a while", async (t) => {
  const redis = await startRedis(t);
  const server = await startServer(t, [`--redis=${redis.url}`]);
  const listeners = [];
  for (const io of [require("sio-client-2"), require("sio-client-3"), require("sio-client-4")]) {
    for (const options of [{ transports: ["polling"] }, { transports: ["websocket"] }, {}]) {
      const socket = io(server.url, { forceNew: true, ...options });
      t.after(() => socket.close());
      const seen = { gaps: [], numbers: [], disconnects: 0 };
      socket.on("$gap", (gap) => seen.gaps.push(gap));
      socket.on("numbers", (n) => seen.numbers.push(n));
      socket.on("disconnect", () => seen.disconnects++);
      assert.equal((await call(socket, "subscribe", "numbers")).ok, true);
      listeners.push(seen);
    }
  }
  await redisCli(redis.port, "PUBLISH", "sb:numbers", "1");
  await eventually("all hear", () => listeners.every((seen) => seen.numbers.at(-1) === 1));

  await redis.kill();
  await eventually("it is not ready", async () => (await fetch(`${server.url}/readyz`)).status === 503);
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
  await sleep(1000); // the time between two tries has grown by then

  await redis.start();
  const returned = Date.now();
  for (let n = 2; listeners.some((seen) => seen.numbers.length < 2); n++) {
    await redisCli(redis.port, "PUBLISH", "sb:numbers", `${n}`);
    assert.ok(Date.now() - returned < 1300, "not all hear again within 1.3 s of its return");
  }
  for (const seen of listeners) {
    assert.deepEqual(seen.gaps, [{ channel: "numbers", reason: "broker_lost" }]);
    assert.equal(seen.disconnects, 0);
  }
  // Its own message has to come all the way round first.
  await eventually("it is ready", async () => (await fetch(`${server.url}/readyz`)).status === 200, 5000);
  // Each connection says it once, and once that it is over: two that subscribe, and one that reads the stream.
  const said = (text) => server.log.filter((line) => text.test(line)).length;
  await eventually("all connections are back", () => said(/connected again|are read again/) === 3, 5000);
  assert.equal(said(/connection lost/), 3, server.log.join("\n"));
});
