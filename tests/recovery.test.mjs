// Stock clients of 4.6 and later come back as who they were, with what they
// missed; those before them are not disturbed.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Client } from "../client-js/src/client.js";
import { call, empty, eventually, next, redisCli, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const clients = {
  "4.6.2": require("sio-client-4.6"),
  "4.8.4": require("sio-client-4"),
};
const before = {
  "3.1.3": require("sio-client-3"),
  "4.5.4": require("sio-client-4.5"),
};
const transports = {
  polling: { transports: ["polling"] },
  websocket: { transports: ["websocket"] },
  upgrade: {},
};

// Channels linger as they do by default: what nobody hears any more has no history.
const lingering = { SB_LINGER: "60s" };

/** A client that keeps what it hears, and comes back when it is told to. */
function connect(t, io, server, options = {}) {
  const socket = io(server.url, { forceNew: true, reconnection: false, ...options });
  t.after(() => socket.close());
  const heard = [];
  const sessions = [];
  for (const channel of ["a", "b", "c"]) socket.on(channel, (data) => heard.push(`${channel}${data}`));
  socket.on("$session", (session) => sessions.push(session));
  return { socket, heard, sessions };
}

/** Its connection ends without a word. */
async function cut(socket) {
  const gone = once(socket, "disconnect");
  socket.io.engine.close();
  await gone;
}

/** It connects again, and has heard all that came before. */
async function back({ socket, sessions }) {
  const said = sessions.length;
  const connected = next(socket, "connect");
  socket.connect();
  await connected;
  await eventually("$session is said again", () => sessions.length > said);
}

const publisher = (server) => async (channel, data) => redisCli(server.broker, "PUBLISH", `sb:${channel}`, `${data}`);

for (const [version, io] of Object.entries(clients)) {
  for (const [transport, options] of Object.entries(transports)) {
    test(`${version} by ${transport} gets what it missed`, async (t) => {
      const server = await startServer(t, [], lingering);
      const publish = publisher(server);
      const client = connect(t, io, server, options);
      const { socket, heard, sessions } = client;
      assert.equal((await call(socket, "subscribe", ["a", "b"])).ok, true);
      const { id } = socket;
      await publish("a", 1);
      await publish("b", 1);
      await eventually("both have come", () => heard.length === 2);
      assert.equal(socket.recovered, false);

      const want = ["a1", "b1"];
      for (let round = 2; round < 5; round++) {
        await cut(socket);
        for (const channel of ["a", "b", "b", "a", "c"]) {
          await publish(channel, round);
          if (channel !== "c") want.push(`${channel}${round}`);
        }
        await back(client);
        assert.deepEqual([socket.recovered, socket.id], [true, id]);
        assert.deepEqual(heard, want);
        assert.deepEqual(sessions.at(-1), sessions[0]); // the same guest
      }

      // A page that subscribes at every connect gets nothing twice.
      const answer = await call(socket, "subscribe", ["a", "b"]);
      assert.equal(answer.ok, true);
      assert.equal(await publish("a", 9), "1");
      await eventually("it goes on", () => heard.length === want.length + 1);
      assert.deepEqual(heard, [...want, "a9"]);

      // Who says goodbye is somebody else the next time.
      socket.disconnect();
      await empty(server);
      await publish("a", 10);
      await back(client);
      assert.equal(socket.recovered, false);
      assert.notEqual(socket.id, id);
      assert.equal(heard.length, want.length + 1);
      socket.close();
      await empty(server);
    });
  }
}

test("what was kept is there once, and the connection before it ends", async (t) => {
  const server = await startServer(t, [], lingering);
  const publish = publisher(server);
  const io = clients["4.8.4"];
  const first = connect(t, io, server);
  await call(first.socket, "subscribe", "a");
  await publish("a", 1);
  await eventually("it has come", () => first.heard.length === 1);
  const { engine } = first.socket.io;
  await eventually("it has upgraded", () => engine.transport.name === "websocket" && !engine.upgrading);
  const { id, _pid: pid, _lastOffset: offset } = first.socket;

  // Two who show the same: the one who is here ends, and the second is nobody.
  const thief = (name) => {
    const one = connect(t, io, server);
    Object.assign(one.socket, { _pid: pid, _lastOffset: offset });
    return next(one.socket, "connect").then(() => [name, one.socket.recovered, one.socket.id === id, one.heard]);
  };
  const gone = next(first.socket, "disconnect");
  assert.deepEqual(await thief("the first"), ["the first", true, true, []]);
  assert.equal((await gone)[0], "transport close");
  assert.equal(await publish("a", 2), "1");

  // The true one comes back and is who it was; what was stolen is worth nothing then.
  await back(first);
  assert.deepEqual([first.socket.recovered, first.socket.id, first.heard], [true, id, ["a1", "a2"]]);
  await cut(first.socket);
  await back(first);
  assert.equal(first.socket.recovered, true);
  first.socket.disconnect();
  await empty(server);
  const [, recovered, same] = await thief("too late");
  assert.deepEqual([recovered, same], [false, false]);
});

test("a history that does not reach back makes a new session", async (t) => {
  const server = await startServer(t, ["--history=2"], lingering);
  const publish = publisher(server);
  const client = connect(t, clients["4.8.4"], server);
  const { socket, heard } = client;
  await call(socket, "subscribe", ["a", "b"]);
  await publish("a", 1);
  await eventually("it has come", () => heard.length === 1);
  for (const [count, recovered] of [
    [1, true],
    [3, false],
  ]) {
    await cut(socket);
    for (let i = 0; i < count; i++) await publish("a", i);
    await back(client);
    assert.equal(socket.recovered, recovered);
  }
  assert.deepEqual(heard, ["a1", "a0"]); // and nothing of what it cannot have whole
  assert.equal(await publish("a", 9), "0"); // it has to subscribe
});

for (const [version, io] of Object.entries(before)) {
  test(`${version} comes back as somebody new`, async (t) => {
    const server = await startServer(t, [], lingering);
    const publish = publisher(server);
    const client = connect(t, io, server);
    const { socket, heard } = client;
    await call(socket, "subscribe", "a");
    const { id } = socket;
    assert.equal(await publish("a", 1), "1");
    await eventually("it has come", () => heard.length === 1);
    await cut(socket);
    await eventually("it is gone", async () => (await publish("a", 2)) === "0");
    await back(client);
    assert.notEqual(socket.id, id);
    await call(socket, "subscribe", "a");
    assert.equal(await publish("a", 3), "1");
    await eventually("it has come", () => heard.length > 1);
    assert.deepEqual(heard, ["a1", "a3"]);
  });
}

test("SB.comet on a stock socket that is recovered", async (t) => {
  const server = await startServer(t, [], lingering);
  const publish = publisher(server);
  const socket = clients["4.8.4"](server.url, { forceNew: true, reconnection: false });
  const client = new Client(server.url);
  client.use(socket);
  t.after(() => client.close());
  const heard = [];
  client.on("gap", (gap) => heard.push(gap));
  client.comet("a", (data) => heard.push(data));
  await eventually("it listens", async () => (await publish("a", 1)) === "1");
  await eventually("it has come", () => heard.includes(1));
  await cut(socket);
  await publish("a", 2);
  socket.connect();
  await eventually("what it missed has come", () => heard.includes(2));
  assert.equal(socket.recovered, true);
  assert.equal(await publish("a", 3), "1");
  await eventually("it goes on", () => heard.includes(3));
  assert.deepEqual(heard, [1, 2, 3]);
});
