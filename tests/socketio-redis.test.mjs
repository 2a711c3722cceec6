// Web servers of Socket.IO with Redis: what their emitters and adapters publish
// reaches SB.comet's event and stock clients, beside a Socket.IO server.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { test } from "node:test";
import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { call, eventually, metric, next, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const io = require("sio-client-4");
const flags = ["--dialects", "socket.io"];

/** A stock client that is in these rooms, and what it gets, as [event, …arguments]. */
async function listener(t, server, rooms, { client = io, events = true } = {}) {
  const socket = client(server.url, { forceNew: true });
  t.after(() => socket.close());
  const got = [];
  for (const event of ["goal", "corner", "message", "news", "feed", "everybody"])
    socket.on(event, (...args) => got.push([event, ...args.slice(0, -1)]));
  const answer = await call(socket, "subscribe", rooms, { events });
  assert.equal(answer.ok, true, JSON.stringify(answer));
  return { socket, got };
}

/** Runs a test against the embedded broker and against a real Redis. */
function onBoth(name, body) {
  test(`${name}, to the embedded broker`, async (t) => {
    const server = await startServer(t, flags);
    await body(t, server, server.broker);
  });
  test(`${name}, to Redis`, async (t) => {
    const redis = await startRedis(t);
    await body(t, await startServer(t, [...flags, `--redis=${redis.url}`]), redis.port);
  });
  test(`${name}, to Redis by several connections`, async (t) => {
    const redis = await startRedis(t);
    await body(t, await startServer(t, [...flags, `--redis=${redis.url}`, "--redis-connections=3"]), redis.port);
  });
}

const date = new Date(1700000000123);
const sent = { n: 1, scorer: "Müller 😀", odds: [1.5, null, true, -5, 2 ** 40], at: date };
const received = { ...sent, at: date.toJSON() };

onBoth("the emitter", async (t, server, port) => {
  const redis = new Redis(port);
  t.after(() => redis.disconnect());
  const emitter = new Emitter(redis);
  const stock = await listener(t, server, "news");
  const old = await listener(t, server, "news", { client: require("sio-client-2") });
  const page = await listener(t, server, "news", { events: false });
  emitter.to("news").emit("goal", sent);
  emitter.to("news").emit("corner");
  emitter.to("news").emit("message", 1, "two", [3]);
  emitter.to("other").emit("goal", "for nobody");
  emitter.of("/admin").to("news").emit("goal", "for nobody");
  emitter.of("/admin").emit("goal", "for nobody");
  emitter.emit("goal", "for those in everybody");
  emitter.to("news").volatile.compress(true).emit("goal", "last");
  const want = [["goal", received], ["corner"], ["message", 1, "two", [3]], ["goal", "last"]];
  const data = [
    { event: "goal", data: received },
    { event: "corner" },
    { event: "message", data: 1, more: ["two", [3]] },
    { event: "goal", data: "last" },
  ];
  await eventually("all have come", () => [stock, old, page].every((l) => l.got.length >= 4));
  assert.deepEqual(stock.got, want);
  assert.deepEqual(old.got, want);
  assert.deepEqual(
    page.got,
    data.map((d) => ["news", d]),
  );
});

onBoth("everybody, several rooms and exceptions", async (t, server, port) => {
  const redis = new Redis(port);
  t.after(() => redis.disconnect());
  const emitter = new Emitter(redis);
  const both = await listener(t, server, ["news", "feed", "everybody"]);
  const feed = await listener(t, server, ["feed", "everybody"]);
  const page = await listener(t, server, ["news", "feed"], { events: false });
  emitter.to("news").to("feed").emit("goal", 1);
  emitter.emit("goal", 2);
  emitter.to("feed").except("news").emit("goal", 3);
  emitter.to(["news", "feed"]).except(both.socket.id).emit("goal", 4);
  emitter.except("news").emit("goal", 5);
  emitter.to("feed").emit("goal", 6);
  await eventually("all have come", () => both.got.length >= 3 && feed.got.length >= 6 && page.got.length >= 5);
  // Each channel has an order, and not all of them one.
  const numbers = (l) => l.got.map(([event, value]) => [event, value.data ?? value]).sort((a, b) => a[1] - b[1]);
  assert.deepEqual(
    numbers(both),
    [1, 2, 6].map((n) => ["goal", n]),
  );
  assert.deepEqual(
    numbers(feed),
    [1, 2, 3, 4, 5, 6].map((n) => ["goal", n]),
  );
  const news = numbers(page).filter(([event]) => event === "news");
  assert.deepEqual(
    news,
    [1, 4].map((n) => ["news", n]),
  );
  assert.deepEqual(
    numbers(page).filter(([event]) => event === "feed"),
    [1, 4, 6].map((n) => ["feed", n]),
  );
  assert.ok(
    page.got.every(([, data]) => Object.keys(data).join() === "event,data"),
    "nobody is told of others' rooms",
  );
});

onBoth("binary arguments", async (t, server, port) => {
  const redis = new Redis(port);
  t.after(() => redis.disconnect());
  const emitter = new Emitter(redis);
  const stock = await listener(t, server, "news");
  const old = await listener(t, server, "news", { client: require("sio-client-2") });
  const page = await listener(t, server, "news", { events: false });
  const bytes = Buffer.from([1, 2, 255]);
  emitter.to("news").emit("goal", { picture: bytes }, bytes);
  await eventually("all have it", () => [stock, old, page].every((l) => l.got.length === 1));
  for (const { got } of [stock, old]) assert.deepEqual(got[0], ["goal", { picture: bytes }, bytes]);
  assert.deepEqual(page.got[0][1], {
    event: "goal",
    data: { picture: { _placeholder: true, num: 0 } },
    more: [{ _placeholder: true, num: 1 }],
    attachments: ["AQL/", "AQL/"],
  });
});

onBoth("socket.io-emitter, for 2.x", async (t, server, port) => {
  const emitter = require("socket.io-emitter")({ host: "127.0.0.1", port });
  t.after(() => emitter.redis.quit());
  const stock = await listener(t, server, ["news", "everybody"]);
  emitter.to("news").emit("goal", sent);
  emitter
    .in("news")
    .in("feed")
    .emit("goal", { picture: Buffer.from([7]) });
  emitter.emit("goal", undefined, date);
  await eventually("all have come", () => stock.got.length === 3);
  // Each channel has an order, and not all of them one.
  const sorted = (list) => list.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
  const want = [
    ["goal", received],
    ["goal", { picture: Buffer.from([7]) }],
    ["goal", null, date.toJSON()],
  ];
  assert.deepEqual(sorted(stock.got), sorted(want));
});

/** A Socket.IO server of version 4 on this Redis, on which clients join rooms. */
async function peer(t, port) {
  const pub = new Redis(port);
  const sub = new Redis(port);
  const http = createServer().listen(0, "127.0.0.1");
  await once(http, "listening");
  const server = new Server(http, { adapter: createAdapter(pub, sub) });
  server.on("connection", (socket) =>
    socket.on("subscribe", (room, _options, ack) => ack(socket.join(room) ?? { ok: true })),
  );
  t.after(async () => {
    await server.close();
    pub.disconnect();
    sub.disconnect();
  });
  await eventually("it listens", async () => (await pub.pubsub("NUMPAT")) > 0);
  return Object.assign(server, { url: `http://127.0.0.1:${http.address().port}` });
}

test("a Socket.IO server with the Redis adapter, side by side", async (t) => {
  const redis = await startRedis(t);
  const server = await startServer(t, [...flags, `--redis=${redis.url}`]);
  const node = await peer(t, redis.port);
  const other = await peer(t, redis.port);
  const here = await listener(t, server, ["news", "everybody"]);
  const there = io(node.url, { forceNew: true });
  t.after(() => there.close());
  assert.equal((await call(there, "subscribe", "news", {})).ok, true);
  const arrived = next(there, "goal");
  other.to("news").emit("goal", sent, Buffer.from([1]));
  other.local.emit("goal", "for its own clients");
  other.of("/admin").emit("goal", "for nobody");
  other.emit("goal", "all");
  await eventually("both have come", () => here.got.length === 2);
  assert.deepEqual(here.got, [
    ["goal", received, Buffer.from([1])],
    ["goal", "all"],
  ]);
  assert.deepEqual(await arrived, [received, Buffer.from([1])]);
  // Its questions to the servers of its kind are not for us, and it does not wait for us.
  assert.deepEqual(
    (await other.in("news").fetchSockets()).map((s) => s.id),
    [there.id],
  );
  assert.equal(await metric(server, "stream_messages_unreadable_total"), 0);
});

test("socket.io-redis, for 2.x", async (t) => {
  const redis = await startRedis(t);
  const server = await startServer(t, [...flags, `--redis=${redis.url}`]);
  const here = await listener(t, server, ["news", "feed", "everybody"]);
  const http = createServer().listen(0, "127.0.0.1");
  await once(http, "listening");
  const node = require("sio-server-2")(http);
  node.adapter(require("socket.io-redis")({ host: "127.0.0.1", port: redis.port }));
  t.after(async () => {
    const { pubClient, subClient } = node.of("/").adapter;
    node.close();
    pubClient.quit();
    subClient.quit();
  });
  node.to("news").emit("goal", sent);
  node.to("news").to("feed").emit("goal", 2);
  node.emit("goal", 3);
  await eventually("all have come", () => here.got.length === 3);
  assert.deepEqual(here.got, [
    ["goal", received],
    ["goal", 2],
    ["goal", 3],
  ]);
});

test("what a client missed, it gets in the form that it had", async (t) => {
  const server = await startServer(t, [...flags, "--linger", "10s"]);
  const redis = new Redis(server.broker);
  t.after(() => redis.disconnect());
  const emitter = new Emitter(redis);
  const { socket, got } = await listener(t, server, ["news", "feed"]);
  emitter.to("news").emit("goal", 1);
  await eventually("it came", () => got.length === 1);
  const away = next(socket, "disconnect");
  socket.io.engine.close();
  await away;
  emitter.to(["news", "feed"]).emit("goal", 2);
  emitter.to("news").emit("goal", 3);
  await next(socket, "connect");
  assert.equal(socket.recovered, true);
  await eventually("the others came", () => got.length === 3);
  assert.deepEqual(got, [
    ["goal", 1],
    ["goal", 2],
    ["goal", 3],
  ]);
});

onBoth("what is no message", async (t, server, port) => {
  const redis = new Redis(port);
  t.after(() => redis.disconnect());
  const { socket, got } = await listener(t, server, "news");
  const told = next(socket, "$gap");
  for (const bad of [
    "",
    "{}",
    Buffer.from([0x93, 0xa1]),
    Buffer.alloc(100_000, 0x91),
    Buffer.from([0x93, 0xdb, 255, 255, 255, 255]),
  ])
    await redis.publish("socket.io#/#news#", bad);
  await redis.publish("socket.io#/#", "{}");
  assert.deepEqual((await told)[0], { channel: "news", reason: "unreadable" });
  await eventually("they are counted", async () => (await metric(server, "stream_messages_unreadable_total")) === 6);
  new Emitter(redis).to("news").emit("goal", 1);
  await eventually("the next one comes", () => got.length === 1);
  assert.equal(server.log.filter((line) => line.includes("was not delivered")).length, 1);
});

test("who wants events of a server without dialects is told", async (t) => {
  const server = await startServer(t);
  const socket = io(server.url, { forceNew: true });
  t.after(() => socket.close());
  const { ok, error } = await call(socket, "subscribe", "news", { events: true });
  assert.equal(ok, false);
  assert.equal(error.code, "bad_request");
});
