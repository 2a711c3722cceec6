// Laravel: what its Redis broadcaster publishes reaches Laravel Echo and
// SB.comet's event; the application says who may hear private channels.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import Echo from "laravel-echo";
import { call, eventually, freePort, next, root, run, start, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const io = require("sio-client-4");
const clients = { "socket.io-client 4": io, "socket.io-client 2": require("sio-client-2") };

/** Laravel's broadcast(new Event(…)), with the name of its class. */
async function broadcast(port, channels, event, payload, prefix = "laravel_database_") {
  const args = [join(root, "tests/laravel.php"), port, prefix, channels.join(), event, JSON.stringify(payload)];
  const { stdout } = await run("php", args.map(String));
  assert.equal(stdout, "");
}

/**
 * A Laravel application's /broadcasting/auth: mine are the channels of who has this header or cookie. What it says
 * of those is the text that answer makes for a header.
 */
async function application(t, mine, answer = () => "true") {
  const asked = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const channel = new URLSearchParams(body).get("channel_name");
    asked.push([request.method, request.url, channel, request.headers["x-csrf-token"]]);
    const token = /^Bearer (mine|ada|bob)$/.exec(request.headers.authorization)?.[1];
    const known = token || request.headers.cookie === "session=mine";
    response.writeHead(known && mine.includes(channel) ? 200 : 403, { "Content-Type": "application/json" });
    response.end(answer(token));
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  return { asked, url: `http://127.0.0.1:${server.address().port}/broadcasting/auth` };
}

function newEcho(t, server, client, headers = {}) {
  const echo = new Echo({ broadcaster: "socket.io", host: server.url, client, forceNew: true, auth: { headers } });
  t.after(() => echo.disconnect());
  return echo;
}

/** Waits until the server hears the channels of so many sessions. */
async function heard(server, channel, sessions) {
  await eventually(`${sessions} hear ${channel}`, async () => {
    const answer = await fetch(`${server.url}/api/channels/${encodeURIComponent(channel)}`);
    return (await answer.json()).sessions === sessions;
  });
}

const flags = ["--dialects", "laravel"];

for (const [name, client] of Object.entries(clients)) {
  for (const kind of ["the embedded broker", "Redis"]) {
    test(`${name}, with ${kind}`, async (t) => {
      const redis = kind === "Redis" ? await startRedis(t) : undefined;
      const server = await startServer(t, redis ? [...flags, `--redis=${redis.url}`] : flags);
      const port = redis?.port ?? server.broker;
      const [one, two] = [newEcho(t, server, client), newEcho(t, server, client)];
      const got = { one: [], two: [], other: [] };
      one.channel("orders").listen("OrderShipped", (data) => got.one.push(data));
      two
        .channel("orders")
        .listen("OrderShipped", (data) => got.two.push(data))
        .listen(".named", (data) => got.two.push(data));
      two.channel("other").listen("OrderShipped", (data) => got.other.push(data));
      const page = io(server.url, { forceNew: true });
      t.after(() => page.close());
      assert.equal((await call(page, "subscribe", "orders")).ok, true);
      const arrived = next(page, "orders");
      await heard(server, "orders", 3);
      await heard(server, "other", 1);
      const event = "App\\Events\\OrderShipped";
      await broadcast(port, ["orders"], event, { id: 1, name: "Müller 😀/", socket: null });
      await broadcast(port, ["orders"], event, { id: 2, socket: one.socketId() }); // toOthers
      await broadcast(port, ["orders", "other"], event, { id: 3, socket: null });
      await broadcast(port, ["orders"], "named", { id: 4, socket: null });
      await eventually("all have come", () => got.two.length === 4 && got.one.length === 2 && got.other.length === 1);
      const ids = (list) => list.map(({ id }) => id);
      assert.deepEqual([ids(got.one), ids(got.two), ids(got.other)], [[1, 3], [1, 2, 3, 4], [3]]);
      assert.deepEqual(got.one[0], { id: 1, name: "Müller 😀/", socket: null });
      assert.deepEqual((await arrived)[0], { event, data: got.one[0] });
      two.leave("orders");
      await heard(server, "orders", 2);
    });
  }
}

test("private and presence channels are what the application says", async (t) => {
  const app = await application(t, ["private-orders.1", "presence-room"]);
  const server = await startServer(t, [...flags, "--laravel-auth-url", app.url]);
  const refused = [];
  const echo = newEcho(t, server, io, { Authorization: "Bearer mine", "X-CSRF-TOKEN": "abc" });
  echo.connector.socket.on("subscription_error", (channel, status) => refused.push([channel, status]));
  const got = [];
  echo.private("orders.1").listen("OrderShipped", (data) => got.push(data));
  echo.join("room").listen("OrderShipped", (data) => got.push(data));
  echo.private("orders.2").listen("OrderShipped", (data) => got.push(data));
  await heard(server, "private-orders.1", 1);
  await heard(server, "presence-room", 1);
  await eventually("the other is refused", () => refused.length === 1);
  assert.deepEqual(refused, [["private-orders.2", 403]]);
  const event = "App\\Events\\OrderShipped";
  await broadcast(server.broker, ["private-orders.1", "presence-room", "private-orders.2"], event, {
    id: 1,
    socket: null,
  });
  await eventually("both have come", () => got.length === 2);
  assert.deepEqual(app.asked[0].slice(0, 2), ["POST", "/broadcasting/auth"]);
  assert.ok(app.asked.every(([, , , token]) => token === "abc"));

  const stranger = io(server.url, { forceNew: true });
  t.after(() => stranger.close());
  for (const channel of [
    "private-orders.1",
    "presence-room",
    "private-*",
    { channel: "private-orders.1", auth: { headers: { Authorization: "x\r\ny" } } },
  ]) {
    const answer = await call(stranger, "subscribe", channel);
    assert.deepEqual([answer.ok, answer.error?.code], [false, "forbidden"], JSON.stringify(channel));
  }
  const cookie = io(server.url, { forceNew: true, extraHeaders: { Cookie: "session=mine" } });
  t.after(() => cookie.close());
  assert.equal((await call(cookie, "subscribe", "private-orders.1")).ok, true);
});

/** The old server, on this Redis. */
async function oldServer(t, redis, app) {
  const dir = await mkdtemp(join(tmpdir(), "echo-"));
  t.after(() => rm(dir, { recursive: true }));
  const port = await freePort();
  const config = {
    host: "127.0.0.1",
    port,
    authHost: new URL(app.url).origin,
    database: "redis",
    databaseConfig: { redis: { host: "127.0.0.1", port: redis.port, keyPrefix: "laravel_database_" } },
  };
  await writeFile(join(dir, "laravel-echo-server.json"), JSON.stringify(config));
  const command = join(root, "node_modules/.bin/laravel-echo-server");
  start(t, process.execPath, [command, "start"], { cwd: dir, stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  await eventually("the old server answers", () => fetch(url).catch(() => undefined), 30_000);
  return { url };
}

const servers = {
  "the old server": async (t, redis, app) => Array(2).fill(await oldServer(t, redis, app)),
  "this server": async (t, redis, app) =>
    Array(2).fill(await startServer(t, [...flags, `--redis=${redis.url}`, "--laravel-auth-url", app.url])),
  "two of this server": (t, redis, app) =>
    Promise.all(
      [1, 2].map(() =>
        startServer(t, [...flags, `--redis=${redis.url}`, "--laravel-auth-url", app.url], {
          SB_CLUSTER_KEY: "planted-key-of-the-cluster",
        }),
      ),
    ),
};

for (const [name, begin] of Object.entries(servers)) {
  test(`who is in a presence channel of ${name}`, async (t) => {
    const people = { ada: { user_id: 1, user_info: { name: "Ada <3" } }, bob: { user_id: "b", user_info: ["Bob"] } };
    const app = await application(t, ["presence-room"], (token) => JSON.stringify({ channel_data: people[token] }));
    const [one, two] = await begin(t, await startRedis(t), app);
    const enter = (server, who) => {
      const echo = newEcho(t, server, require("sio-client-2"), { Authorization: `Bearer ${who}` });
      const seen = [];
      const by = (list) => list.map((info) => JSON.stringify(info)).sort();
      echo
        .join("room")
        .here((list) => seen.push(["here", ...by(list)]))
        .joining((info) => seen.push(["joining", ...by([info])]))
        .leaving((info) => seen.push(["leaving", ...by([info])]));
      return { echo, seen, saw: (what, ...want) => eventually(what, () => isDeepStrictEqual(seen, want), 15_000) };
    };
    const [ada, bob] = [JSON.stringify(people.ada.user_info), JSON.stringify(people.bob.user_info)];
    const first = enter(one, "ada");
    await first.saw("she is alone", ["here", ada]);
    const second = enter(two, "bob");
    await second.saw("both are there", ["here", bob, ada]);
    await first.saw("he came", ["here", ada], ["joining", bob]);
    const tab = enter(one, "bob");
    await tab.saw("both are there for another tab", ["here", bob, ada]);
    second.echo.leave("room");
    await sleep(500); // that he left one tab is told nobody
    tab.echo.disconnect();
    await first.saw("he went, and once", ["here", ada], ["joining", bob], ["leaving", bob]);
  });
}

test("whispers go to the others of a private channel", async (t) => {
  const app = await application(t, ["private-chat"]);
  const server = await startServer(t, [...flags, "--laravel-auth-url", app.url]);
  const [one, two] = [1, 2].map(() => newEcho(t, server, io, { Authorization: "Bearer mine" }));
  const got = [];
  one.private("chat").listenForWhisper("typing", (data) => got.push(["one", data]));
  two.private("chat").listenForWhisper("typing", (data) => got.push(["two", data]));
  await heard(server, "private-chat", 2);
  two.connector.socket.emit("client event", { channel: "private-chat", event: "App\\Events\\Forged", data: 1 });
  two.channel("open").whisper?.("typing", 1);
  two.connector.socket.emit("client event", { channel: "open", event: "client-typing", data: 1 });
  one.private("chat").whisper("typing", { name: "Ada" });
  two.private("chat").whisper("typing", { name: "Bob" });
  await eventually("both have come", () => got.length === 2);
  assert.deepEqual(got.sort(), [
    ["one", { name: "Bob" }],
    ["two", { name: "Ada" }],
  ]);
});
