/** Channels over a socket that is not ours: what is asked of the server, and who is called. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../src/client.js";
import { onStockSocket, StockSocket, settle } from "./fakes.js";

/** A callback that keeps what it was called with. */
function listener() {
  const calls = [];
  return Object.assign((...args) => calls.push(args), { calls });
}

test("a callback gets data, channel and position, until it is stopped", async () => {
  const { client, socket } = onStockSocket();
  const callback = listener();
  const stop = client.comet("feed:a", callback);
  await settle();
  assert.deepEqual(socket.take(), [["subscribe", ["feed:a"], { since: {} }]]);
  socket.receive("feed:a", { goal: 1 }, "p1");
  assert.deepEqual(callback.calls, [[{ goal: 1 }, { channel: "feed:a", position: "p1" }]]);
  stop();
  socket.receive("feed:a", { goal: 2 }, "p2");
  await settle();
  stop();
  await settle();
  assert.deepEqual(socket.take(), [["unsubscribe", ["feed:a"]]]);
  assert.equal(callback.calls.length, 1);
  assert.ok(!socket.listeners().includes("feed:a"));
});

test("several callbacks on a channel share one subscription", async () => {
  const { client, socket } = onStockSocket();
  const callback = listener();
  const stops = [client.comet("a", callback), client.comet("a", {}, callback)];
  await settle();
  stops.push(client.comet("a", callback));
  await settle();
  assert.deepEqual(socket.take(), [["subscribe", ["a"], { since: {} }]]);
  socket.receive("a", 1);
  assert.equal(callback.calls.length, 3);
  stops[0]();
  stops[1]();
  await settle();
  assert.deepEqual(socket.take(), []);
  socket.receive("a", 2);
  assert.equal(callback.calls.length, 4);
  stops[2]();
  await settle();
  assert.deepEqual(socket.take(), [["unsubscribe", ["a"]]]);
});

test("a list is one subscription each, and what one turn asks for goes in one message", async () => {
  const { client, socket } = onStockSocket();
  const callback = listener();
  const stop = client.comet(["a", "b", "a"], callback);
  client.comet("c", callback);
  client.comet("never", callback)();
  await settle();
  assert.deepEqual(socket.take(), [["subscribe", ["a", "b", "c"], { since: {} }]]);
  socket.receive("a", 1);
  socket.receive("b", 2);
  assert.deepEqual(
    callback.calls.map(([data, { channel }]) => [channel, data]),
    [
      ["a", 1],
      ["b", 2],
    ],
  );
  stop();
  client.comet("b", callback);
  await settle();
  assert.deepEqual(socket.take(), [["unsubscribe", ["a"]]]);
});

test("a callback that throws stops nobody, and is reported", async (t) => {
  const { client, socket } = onStockSocket();
  const report = t.mock.method(console, "error", () => {});
  const callback = listener();
  const fault = new Error("mine");
  client.comet("a", () => {
    throw fault;
  });
  client.comet("a", callback);
  socket.receive("a", 1);
  assert.equal(callback.calls.length, 1);
  assert.equal(report.mock.callCount(), 0);
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(report.mock.calls[0].arguments, [fault]);
});

test("a callback may stop itself and others, and add more, while it is called", () => {
  const { client, socket } = onStockSocket();
  const [stopped, kept, added] = [listener(), listener(), listener()];
  const first = client.comet("a", () => {
    first();
    second();
    client.comet("a", added);
  });
  const second = client.comet("a", stopped);
  client.comet("a", kept);
  socket.receive("a", 1);
  socket.receive("a", 2);
  assert.deepEqual([stopped.calls.length, kept.calls.length, added.calls.length], [0, 2, 1]);
});

test("a list is the caller's, who may change it afterwards", async () => {
  const { client, socket } = onStockSocket();
  const list = ["a", "b"];
  const stop = client.comet(list, () => {});
  list.length = 0;
  await settle();
  stop();
  await settle();
  assert.deepEqual(socket.take()[1], ["unsubscribe", ["a", "b"]]);
});

for (const [name, ...args] of [
  ["no callback", "a"],
  ["options last", "a", () => {}, {}],
  ["empty", "", () => {}],
  ["empty in a list", ["a", ""], () => {}],
  ["not a string", 7, () => {}],
  ["missing", undefined, () => {}],
  ["256 bytes", "é".repeat(128), () => {}],
  ["ours", "$session", () => {}],
  ["ours", "__proto__", () => {}],
  ["the socket's", "disconnect", () => {}],
]) {
  test(`comet refuses: ${name}`, async () => {
    const { client, socket } = onStockSocket();
    assert.throws(() => client.comet(...args), TypeError);
    await settle();
    assert.deepEqual(socket.take(), []);
  });
}

test("comet leaves the rest to the server, odd names included", async () => {
  const { client, socket } = onStockSocket();
  const tags = ["user#42", "chat room", "zimmer/é", "constructor", "connectors", "é".repeat(127)];
  client.comet(tags, () => {});
  await settle();
  assert.deepEqual(socket.take()[0][1], tags);
});

test("on refuses what is not an event, and returns what undoes it", () => {
  const { client, socket } = onStockSocket();
  assert.throws(() => client.on("conect", () => {}), TypeError);
  assert.throws(() => client.on("gap"), TypeError);
  const callback = listener();
  const stops = [client.on("gap", callback), client.on("gap", callback)];
  stops[0]();
  socket.receive("$gap", { channel: "a", reason: "broker" });
  assert.deepEqual(callback.calls, [[{ channel: "a", reason: "broker" }]]);
  stops[1]();
  socket.receive("$gap", { channel: "a", reason: "broker" });
  assert.equal(callback.calls.length, 1);
});

test("the session is told and kept", () => {
  const { client, socket, heard } = onStockSocket();
  assert.equal(client.session, null);
  const session = { id: "1", member: "guest:x", guest: "guest:x.sig" };
  socket.receive("$session", session);
  assert.deepEqual(heard, [["session", session]]);
  assert.equal(client.session, session);
});

test("errors that nobody listens for are on the console, except that the server is away", (t) => {
  const report = t.mock.method(console, "error", () => {});
  const client = new Client("http://unused.test");
  const socket = new StockSocket();
  client.use(socket);
  socket.receive("connect_error", new Error("xhr poll error"));
  assert.equal(report.mock.callCount(), 0);
  socket.receive("connect_error", { message: "no", data: { code: "bad_token", message: "no" } });
  assert.equal(report.mock.callCount(), 1);
});

for (const [name, event, error, want] of [
  ["4.x, away", "connect_error", new Error("xhr poll error"), { code: "connect_failed", message: "xhr poll error" }],
  [
    "4.x",
    "connect_error",
    { message: "m", data: { code: "bad_token", message: "no" } },
    { code: "bad_token", message: "no" },
  ],
  ["2.x, data", "error", { code: "bad_token", message: "no" }, { code: "bad_token", message: "no" }],
  ["2.x, text", "error", "no", { code: "connect_failed", message: "no" }],
]) {
  test(`a stock socket's refusal: ${name}`, () => {
    const { socket, heard } = onStockSocket();
    socket.receive(event, error);
    assert.deepEqual(heard, [["error", { ...want, channel: undefined }]]);
  });
}

test("use moves everything to another socket, and closes the one before", async () => {
  const { client, socket, heard } = onStockSocket();
  const callback = listener();
  client.comet("a", callback);
  await settle();
  socket.answer();
  const next = new StockSocket();
  next.connected = true;
  client.use(next);
  client.use(next);
  assert.equal(socket.connected, false);
  assert.deepEqual(socket.listeners(), []);
  assert.deepEqual(next.take(), [["subscribe", ["a"], { since: { a: "p0" } }]]);
  next.receive("a", 1, "p1");
  assert.equal(callback.calls.length, 1);
  assert.deepEqual(heard, [["disconnect", "io client disconnect"], ["connect"]]);
});

test("close and connect: callbacks stay", async () => {
  const { client, socket } = onStockSocket({ up: false });
  client.comet("a", () => {});
  await settle();
  client.connect();
  socket.answer();
  client.close();
  await settle();
  assert.deepEqual(socket.take(), []);
  client.connect();
  assert.deepEqual(socket.take(), [["subscribe", ["a"], { since: { a: "p0" } }]]);
});
