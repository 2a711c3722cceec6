// Stock clients of each protocol version, on each transport, hear what redis-cli
// publishes to the embedded broker and to a real Redis.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Client } from "../client-js/src/client.js";
import { call, empty, eventually, metric, next, redisCli, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const clients = {
  "2.5.0": require("sio-client-2"),
  "3.1.3": require("sio-client-3"),
  "4.8.4": require("sio-client-4"),
};
// These differ from the ones above in what they send, and not in what they hear.
const between = {
  "1.4.8": require("sio-client-1.4"),
  "1.7.4": require("sio-client-1.7"),
  "2.0.4": require("sio-client-2.0"),
  "3.0.5": require("sio-client-3.0"),
  "4.0.2": require("sio-client-4.0"),
  "4.5.4": require("sio-client-4.5"),
  "4.7.5": require("sio-client-4.7"),
};
const transports = {
  polling: { transports: ["polling"] },
  websocket: { transports: ["websocket"] },
  upgrade: {},
};

// redis-cli takes a message of this size from its standard input only, which
// is what the Go tests do; this is the size of a long command line.
const large = JSON.stringify("x".repeat(100_000));

async function conversation(t, io, options, transport, server, redis) {
  const socket = io(server.url, { forceNew: true, reconnection: false, ...options });
  t.after(() => socket.close());
  const [session] = await next(socket, "$session");
  assert.match(session.id, /^[A-Z2-7]{26}$/);
  assert.match(session.member, /^guest:[A-Z2-7]{26}$/);
  assert.ok(session.guest);

  const engine = socket.io.engine;
  const wanted = transport === "polling" ? "polling" : "websocket";
  await eventually(`the transport is ${wanted}`, () => engine.transport.name === wanted && !engine.upgrading);

  const answer = await call(socket, "subscribe", "feed:football:fantasy");
  assert.equal(answer.ok, true);
  assert.equal(answer.channels["feed:football:fantasy"].recovered, false);
  for (const [sent, want] of [
    ['{"goal":1}', { goal: 1 }],
    ['"é 日本 😀 \u2028 <&>"', "é 日本 😀 \u2028 <&>"],
    ["no JSON é", "no JSON é"],
    ["[1,2,{}]", [1, 2, {}]],
    [large, JSON.parse(large)],
  ]) {
    const arrived = next(socket, "feed:football:fantasy");
    assert.equal(await redisCli(redis, "PUBLISH", "sb:feed:football:fantasy", sent), "1");
    const [data, position] = await arrived;
    assert.deepEqual(data, want);
    assert.equal(typeof position, "string");
  }

  const said = next(socket, "zimmer/é");
  socket.send("zimmer/é"); // the original's way
  await eventually("send has subscribed", async () => {
    return (await redisCli(redis, "PUBLISH", "sb:zimmer/é", "1")) === "1";
  });
  assert.equal((await said)[0], 1);

  const refused = await call(socket, "subscribe", ["good", "$bad"]);
  assert.deepEqual([refused.ok, refused.error.code, refused.error.channel], [false, "bad_channel", "$bad"]);

  assert.equal((await call(socket, "unsubscribe", "feed:football:fantasy")).ok, true);
  await eventually("nobody is reached", async () => {
    return (await redisCli(redis, "PUBLISH", "sb:feed:football:fantasy", "0")) === "0";
  });
  socket.close();
}

for (const [version, io] of Object.entries({ ...clients, ...between })) {
  for (const [transport, options] of Object.entries(transports)) {
    test(`${version} by ${transport}`, async (t) => {
      await t.test("embedded broker", async (t) => {
        const server = await startServer(t);
        await conversation(t, io, options, transport, server, server.broker);
        await empty(server);
        assert.equal(await server.stop(), 0);
      });
      if (version in between) return;
      await t.test("redis-server", async (t) => {
        const redis = await startRedis(t);
        const server = await startServer(t, [`--redis=${redis.url}`]);
        await conversation(t, io, options, transport, server, redis.port);
        await empty(server);
        assert.equal(await server.stop(), 0);
      });
    });
  }
}

// With --compress long messages are compressed on WebSockets, both ways, and
// short ones are not.
for (const version of ["2.5.0", "4.8.4"]) {
  test(`${version} with --compress`, async (t) => {
    const server = await startServer(t, ["--compress"]);
    const socket = clients[version](server.url, { forceNew: true, reconnection: false, transports: ["websocket"] });
    t.after(() => socket.close());
    await next(socket, "$session");
    const { ws } = socket.io.engine.transport;
    assert.match(String(ws.extensions["permessage-deflate"] ?? ws.extensions), /deflate|object/);
    let received = 0;
    ws._socket.on("data", (data) => {
      received += data.length;
    });
    const channels = Array.from({ length: 100 }, (_, i) => `a rather long name of a channel ${i}`);
    assert.equal((await call(socket, "subscribe", channels)).ok, true); // long enough to be compressed
    const acked = received;
    assert.ok(acked < 3000, `the ack took ${acked} bytes`);
    for (const text of ["short", "x".repeat(100_000)]) {
      const arrived = next(socket, channels[7]);
      await redisCli(server.broker, "PUBLISH", `sb:${channels[7]}`, JSON.stringify(text));
      assert.equal((await arrived)[0], text);
    }
    assert.ok(received - acked < 5000, `100,000 bytes took ${received - acked}`);
    socket.close();
    await empty(server);
  });
}

// A page of the Node original has the client of its time.
for (const transport of ["websocket", "xhr-polling"]) {
  test(`0.9.17 by ${transport}`, async (t) => {
    const server = await startServer(t);
    const io = require("sio-client-0.9");
    io.transports = [transport];
    const connect = (query = "") => {
      const socket = io.connect(`${server.url}${query}`, { "force new connection": true, reconnect: false });
      t.after(() => socket.disconnect());
      return socket;
    };
    const socket = connect();
    const [session] = await next(socket, "$session");
    assert.match(session.member, /^guest:[A-Z2-7]{26}$/);
    assert.equal(
      await metric(
        server,
        `stream_sessions{protocol="1",transport="${socket.socket.transport.name.replace("xhr-", "")}"}`,
      ),
      1,
    );

    socket.send("feed:football:fantasy"); // the original's way
    const stats = async () => (await fetch(`${server.url}/api/stats`)).json();
    await eventually("send has subscribed", async () => (await stats()).channels === 1);
    assert.equal((await call(socket, "subscribe", "zimmer/é")).ok, true);
    for (const [channel, data] of [
      ["feed:football:fantasy", { goal: 1 }],
      ["zimmer/é", "é 日本 😀 \u2028"],
    ]) {
      const arrived = next(socket, channel);
      assert.equal(await redisCli(server.broker, "PUBLISH", `sb:${channel}`, JSON.stringify(data)), "1");
      assert.deepEqual((await arrived)[0], data);
    }
    assert.equal((await call(socket, "subscribe", "$bad")).error.code, "bad_channel");
    socket.disconnect();
    await empty(server);
    assert.equal(await server.stop(), 0);
  });
}

test("SB.comet on a socket of 0.9.17", async (t) => {
  const server = await startServer(t);
  const io = require("sio-client-0.9");
  io.transports = ["websocket"];
  const socket = io.connect(server.url, { "force new connection": true, "reconnection delay": 20 });
  const client = new Client(server.url);
  t.after(() => client.close());
  client.use(socket);
  const heard = [];
  client.comet("feed", (data) => heard.push(data));
  const publish = (data) => redisCli(server.broker, "PUBLISH", "sb:feed", data);
  await eventually("it listens", async () => (await publish("1")) === "1");
  await eventually("it arrives", () => heard.length > 0);
  assert.match(client.session.member, /^guest:/);
  const gap = new Promise((resolve) => client.on("gap", resolve));
  socket.socket.transport.websocket.close(); // and it comes back
  assert.equal((await gap).channel, "feed");
  await eventually("it listens again", async () => (await publish('"again"')) === "1");
  await eventually("it arrives", () => heard.includes("again"));
  client.close();
  await empty(server);
});

test("PUBLISH answers with the number of clients, and of nodes", async (t) => {
  const io = clients["4.8.4"];
  const join = async (server) => {
    const socket = io(server.url, { forceNew: true });
    t.after(() => socket.close());
    await call(socket, "subscribe", "x");
  };
  const server = await startServer(t);
  const publish = () => redisCli(server.broker, "PUBLISH", "sb:x", "1");
  assert.equal(await publish(), "0");
  await join(server);
  assert.equal(await publish(), "1");
  await join(server);
  await join(server);
  assert.equal(await publish(), "3");

  const redis = await startRedis(t);
  const bare = await startServer(t, [`--redis=${redis.url}`, "--redis-prefix="]);
  await join(bare);
  await join(bare);
  assert.equal(await redisCli(redis.port, "PUBLISH", "x", "1"), "1");
});
