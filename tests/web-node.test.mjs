// web/node: what it publishes, by the clients of both libraries and by itself,
// as a listener of the stream server gets it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { close, Publisher, stream } from "stream-server-web";
import { call, eventually, freePort, next, redisCli, root, startRedis, startServer } from "./support.mjs";

const io = createRequire(import.meta.url)("sio-client-4");
const sent = { goal: 1, scorer: "Müller 😀", odds: [1.5, null, true] };

/** Clients of both libraries, and an address. */
const ways = {
  redis: async (t, url) => {
    const client = createClient({ url }).on("error", () => {}); // its server ends before it
    t.after(() => client.destroy());
    return client.connect();
  },
  ioredis: async (t, url) => {
    const client = new Redis(url);
    t.after(() => client.disconnect());
    return client;
  },
  address: async (_, url) => url,
};

async function listener(t, server, channel) {
  const socket = io(server.url, { forceNew: true });
  t.after(() => socket.close());
  assert.equal((await call(socket, "subscribe", channel)).ok, true);
  return socket;
}

for (const [name, client] of Object.entries(ways)) {
  test(`by ${name}`, async (t) => {
    const redis = await startRedis(t);
    const server = await startServer(t, [`--redis=${redis.url}`, "--stream-partitions=4"]);
    const socket = await listener(t, server, "feed:football:fantasy");
    const web = new Publisher(await client(t, redis.url), { partitions: 4, streamMax: 300 });
    t.after(() => web.close());

    let arrived = next(socket, "feed:football:fantasy");
    assert.equal(await web.stream("feed:football:fantasy", sent), 1);
    assert.deepEqual((await arrived)[0], sent);
    assert.equal(await web.stream("nobody", 1), 0);

    arrived = next(socket, "feed:football:fantasy");
    assert.match(await web.stream("feed:football:fantasy", [sent], { durable: true }), /^\d+-\d+$/);
    assert.deepEqual((await arrived)[0], [sent]);
    const [kept, key] = [JSON.stringify([sent]), "sb:stream:{1}"]; // crc16 of the name is 22925
    assert.ok((await redisCli(redis.port, "XRANGE", key, "-", "+")).endsWith(`feed:football:fantasy\ndata\n${kept}`));
    await Promise.all(
      Array.from({ length: 1000 }, (_, n) => web.stream("feed:football:fantasy", n, { durable: true })),
    );
    const length = Number(await redisCli(redis.port, "XLEN", key));
    assert.ok(length >= 300 && length <= 500, `${length} of about 300 are kept`);
  });

  test(`by ${name}, to the embedded broker`, async (t) => {
    const server = await startServer(t);
    const socket = await listener(t, server, "feed");
    const web = new Publisher(await client(t, `redis://127.0.0.1:${server.broker}`));
    t.after(() => web.close());
    const arrived = next(socket, "feed");
    assert.equal(await web.stream("feed", sent), 1);
    assert.deepEqual((await arrived)[0], sent);
  });
}

test("as the environment says", async (t) => {
  const redis = await startRedis(t);
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
    return close();
  });
  Object.assign(process.env, {
    SB_REDIS: redis.url,
    SB_REDIS_PREFIX: "app:",
    SB_STREAM_PARTITIONS: "4",
    SB_STREAM_MAX: "9",
  });
  await stream("feed:football:fantasy", 1, { durable: true });
  assert.equal(await redisCli(redis.port, "XLEN", "app:stream:{1}"), "1");
  await close();
  process.env.SB_STREAM_PARTITIONS = "257";
  await assert.rejects(stream("feed", 1), /partitions is a number from 1 to 256/);
});

test("a Redis that is away, and back, and silent", async (t) => {
  const port = await freePort();
  const nobody = new Publisher(`redis://127.0.0.1:${port}`);
  t.after(() => nobody.close());
  await assert.rejects(nobody.stream("feed", 1), /ECONNREFUSED/);
  await assert.rejects(nobody.stream("feed", 1)); // at once, by the library

  const redis = await startRedis(t);
  const web = new Publisher(redis.url, { timeout: 300 });
  t.after(() => web.close());
  await web.stream("feed", 1);
  await redis.kill();
  await eventually("a call is refused", () => web.stream("feed", 1).catch(() => true));
  await redis.start();
  await eventually("it has connected again", async () => (await web.stream("feed", 1).catch(() => "")) === 0);
  await redisCli(redis.port, "CLIENT", "PAUSE", "5000", "ALL");
  await assert.rejects(web.stream("feed", 1), /did not answer within 300 ms/);
  await web.close();
  await assert.rejects(web.stream("feed", 1), /closed/);
  await web.close();
});

test("what it refuses", async () => {
  for (const bad of ["http://x", {}, { publish() {} }, null, 1]) {
    assert.throws(() => new Publisher(bad), TypeError, `${bad}`);
  }
  const prefixed = new Redis({ keyPrefix: "x:", lazyConnect: true });
  assert.throws(() => new Publisher(prefixed), /keyPrefix/);
  for (const options of [
    { partitions: 0 },
    { partitions: 257 },
    { partitions: 1.5 },
    { streamMax: 0 },
    { timeout: -1 },
  ]) {
    assert.throws(() => new Publisher("redis://x", options), TypeError, JSON.stringify(options));
  }
  const calls = [];
  const web = new Publisher({ publish: async (...args) => calls.push(args), xadd() {} });
  // As the server has them.
  const go = await readFile(join(root, "internal/tags/tags.go"), "utf8");
  const taken = [...go.match(/var taken = \[\]string\{(.*?)\n\}/s)[1].matchAll(/"(\w+)"/g)].map((match) => match[1]);
  assert.ok(taken.length > 15);
  const bad = [
    "",
    " x",
    "x ",
    "a,b",
    "$gap",
    "__x",
    "a\nb",
    "a\u200bb",
    "\u202e",
    "\ud800",
    "x".repeat(256),
    "é".repeat(128),
    1,
    null,
  ];
  for (const channel of [...bad, ...taken]) {
    await assert.rejects(web.stream(channel, 1), TypeError, `${channel}`);
  }
  for (const data of [undefined, () => {}, Symbol("x"), 1n]) {
    await assert.rejects(web.stream("feed", data), TypeError, String(data));
  }
  assert.deepEqual(calls, []);
  const good = ["user#42", "chat room", "zimmer/é", "日本", "e\u0301", "😀", "x".repeat(255), "connect2"];
  for (const channel of good) await web.stream(channel, null);
  assert.deepEqual(
    calls,
    good.map((channel) => [`sb:${channel}`, "null"]),
  );
});
