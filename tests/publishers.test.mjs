// Web servers: Redis clients of several languages publish to the embedded
// broker and to a real Redis, and what they send reaches a browser's client.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { newPage } from "./browser.mjs";
import { call, eventually, next, root, run, start, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const io = require("sio-client-4");

/** A listener of a channel. */
async function listener(t, server, channel) {
  const socket = io(server.url, { forceNew: true });
  t.after(() => socket.close());
  assert.equal((await call(socket, "subscribe", channel)).ok, true);
  return socket;
}

/** Runs a test against the embedded broker and against a real Redis. */
function onBoth(name, body) {
  test(`${name}, to the embedded broker`, async (t) => {
    const server = await startServer(t);
    await body(t, server, `redis://127.0.0.1:${server.broker}`);
  });
  test(`${name}, to Redis`, async (t) => {
    const redis = await startRedis(t);
    await body(t, await startServer(t, [`--redis=${redis.url}`]), redis.url);
  });
}

const sent = { goal: 1, scorer: "Müller 😀", odds: [1.5, null, true] };

onBoth("ioredis", async (t, server, url) => {
  const socket = await listener(t, server, "feed");
  const redis = new Redis(url);
  t.after(() => redis.disconnect());
  const arrived = next(socket, "feed");
  assert.equal(await redis.publish("sb:feed", JSON.stringify(sent)), 1);
  assert.deepEqual((await arrived)[0], sent);
  assert.equal(await redis.publish("sb:nobody", "1"), 0);

  const numbers = [];
  socket.on("feed", (n) => numbers.push(n));
  const pipeline = redis.pipeline();
  for (let i = 0; i < 500; i++) pipeline.publish("sb:feed", `${i}`);
  await pipeline.exec();
  await eventually("all have come", () => numbers.length === 500);
  assert.deepEqual(numbers, [...Array(500).keys()]);
});

onBoth("redis", async (t, server, url) => {
  const socket = await listener(t, server, "feed");
  const redis = await createClient({ url }).connect();
  const arrived = next(socket, "feed");
  assert.equal(await redis.publish("sb:feed", JSON.stringify(sent)), 1);
  assert.deepEqual((await arrived)[0], sent);
  await redis.close();
});

/** The lines of the examples, as their README has them. */
async function examples() {
  const readme = await readFile(join(root, "examples/README.md"), "utf8");
  const lines = [...readme.matchAll(/`([^`]* \S*publish-[^`]*)`/g)].map((match) => match[1]);
  assert.equal(lines.length, 5);
  return lines;
}

onBoth("the examples", async (t, server, url) => {
  const socket = await listener(t, server, "feed:football:fantasy");
  for (const line of await examples()) {
    const arrived = next(socket, "feed:football:fantasy", 60_000);
    const env = { ...process.env, SB_REDIS: url, PATH: `/usr/bin:${process.env.PATH}` };
    await run("sh", ["-c", line], { cwd: root, env });
    assert.deepEqual((await arrived)[0], { goal: 1 }, line);
  }
});

test("the embedded broker refuses what it does not keep", async (t) => {
  const server = await startServer(t);
  const redis = new Redis(server.broker);
  t.after(() => redis.disconnect());
  await assert.rejects(redis.xadd("other", "*", "channel", "feed", "data", "1"), /keeps the stream sb:stream alone/);
  await assert.rejects(redis.get("x"), /PUBLISH/i);
  assert.equal(await redis.ping(), "PONG");
  assert.deepEqual(await redis.pubsub("NUMSUB", "sb:feed"), ["sb:feed", 0]);
});

test("HTTP", async (t) => {
  const server = await startServer(t, ["--publish-key", "one,two"]);
  const socket = await listener(t, server, "feed");
  const post = async (key, body) => {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    const answer = await fetch(`${server.url}/api/publish`, { method: "POST", headers, body: JSON.stringify(body) });
    return [answer.status, await answer.json()];
  };
  for (const key of ["one", "two"]) {
    const arrived = next(socket, "feed");
    const [status] = await post(key, { channel: "feed", data: sent });
    assert.equal(status, 200);
    assert.deepEqual((await arrived)[0], sent);
  }
  assert.equal((await post("three", { channel: "feed", data: 1 }))[0], 401);
});

test("the scoreboard changes while one watches", async (t) => {
  const server = await startServer(t);
  const env = { ...process.env, SB_REDIS: `redis://127.0.0.1:${server.broker}` };
  const flags = ["--listen", "127.0.0.1:0", "--pace", "50ms", "--stream", server.url.replace("127.0.0.1", "localhost")];
  const dir = await mkdtemp(join(tmpdir(), "scoreboard-")); // `go run` would pass no signal on
  t.after(() => rm(dir, { recursive: true }));
  await run("go", ["build", "-o", dir, "./examples/scoreboard"], { cwd: root });
  const { child } = start(t, join(dir, "scoreboard"), flags, { env });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const page = await newPage(t);
  await page.goto(line.replace("Open ", ""));
  await page.waitForFunction(() => document.getElementById("state").textContent === "live");
  const minute = () => page.textContent("#match-1 td");
  const before = await minute();
  await eventually("the minute changes", async () => (await minute()) !== before);
  await eventually("there is news", async () => (await page.locator("#news li").count()) > 0, 30_000);
});
