/** Who is in a channel, as a page is told it. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { controlTime, onStockSocket, settle } from "./fakes.js";

const here = (guests, ...members) => ({ members, count: members.length, guests });
const answer = (guests, ...members) => ({
  position: "p0",
  recovered: true,
  replayed: 0,
  presence: here(guests, ...members),
});

/** A page that watches channel a, and what it was told. */
async function watching(...members) {
  const all = onStockSocket();
  const seen = [];
  const stop = all.client.presence("a", (now, { channel }) => seen.push([channel, now]));
  await settle();
  const asked = all.socket.answer(answer(0, ...members));
  return { ...all, seen, stop, asked };
}

test("presence: who is there, who comes and who goes", async () => {
  const { socket, seen, asked } = await watching("me");
  assert.deepEqual(asked, [["a"], { since: {}, presence: ["a"] }]);
  socket.receive("$join", { channel: "a", members: ["bob", "ann"], guests: 1 });
  socket.receive("$join", { channel: "a", members: ["me"], guests: 1 }); // is known
  socket.receive("$leave", { channel: "a", members: ["bob"], guests: 2 });
  socket.receive("$leave", { channel: "a", members: [], guests: 1 });
  socket.receive("$join", { channel: "elsewhere", members: ["x"], guests: 1 });
  socket.receive("$presence", { channel: "a", members: null, count: 5000, guests: 9, truncated: true });
  socket.receive("$presence", { channel: "a", members: ["zoe"], count: 1, guests: 0 });
  assert.deepEqual(
    seen.map(([channel, now]) => channel === "a" && now),
    [
      here(0, "me"),
      here(1, "ann", "bob", "me"),
      here(2, "ann", "me"),
      here(1, "ann", "me"),
      { members: null, count: 5000, guests: 9 },
      here(0, "zoe"),
    ],
  );
});

test("a reconnect asks again, and is no news when nothing is", async () => {
  const { socket, seen, heard } = await watching("ann", "me");
  socket.down();
  socket.receive("$join", { channel: "a", members: [], guests: 0 });
  socket.up();
  assert.deepEqual(socket.answer(answer(0, "ann", "me")), [["a"], { since: { a: "p0" }, presence: ["a"] }]);
  assert.equal(seen.length, 1);
  socket.down();
  socket.up();
  socket.answer(answer(0, "me"));
  assert.deepEqual(seen.at(-1), ["a", here(0, "me")]);
  assert.ok(heard.every(([event]) => event !== "gap"));
});

test("what is heard already is asked for once more, and nothing is missing", async () => {
  const { client, socket, heard } = onStockSocket();
  client.comet("a", () => {});
  await settle();
  socket.answer();
  const seen = [];
  const stop = client.presence("a", (now) => seen.push(now));
  await settle();
  assert.deepEqual(socket.answer({ ...answer(0, "me"), recovered: false }), [["a"], { since: {}, presence: ["a"] }]);
  const late = [];
  client.presence("a", (now) => late.push(now))(); // stopped at once
  client.presence("a", (now) => late.push(now));
  await settle();
  assert.deepEqual([seen, late, socket.take()], [[here(0, "me")], [here(0, "me")], []]);
  stop();
  await settle();
  assert.deepEqual(socket.take(), []); // somebody else watches still
  assert.deepEqual(heard, []);
});

test("the last who watches goes: heard still, or left altogether", async () => {
  const { client, socket, stop } = await watching("me");
  const off = client.comet("a", () => {});
  stop();
  await settle();
  assert.deepEqual(socket.take(), [["subscribe", ["a"], { presence: false }]]);
  off();
  await settle();
  assert.deepEqual(socket.take(), [["unsubscribe", ["a"]]]);
  socket.receive("$join", { channel: "a", members: ["late"], guests: 0 });
});

test("comet with presence is seen, and stops being", async () => {
  const { client, socket } = onStockSocket();
  const stop = client.comet(["a", "b"], { presence: true }, () => {});
  await settle();
  assert.deepEqual(socket.answer(answer(0, "me")), [["a", "b"], { since: {}, presence: ["a", "b"] }]);
  stop();
  await settle();
  assert.deepEqual(socket.take(), [["unsubscribe", ["a", "b"]]]);
});

test("a connection that a stock client recovered is there still", async () => {
  const { socket, seen } = await watching("me");
  socket.down();
  socket.recovered = true;
  socket.up();
  assert.deepEqual(socket.take(), []);
  socket.receive("$presence", { channel: "a", members: ["me", "you"], count: 2, guests: 0 });
  assert.deepEqual(seen.at(-1), ["a", here(0, "me", "you")]);
});

test("refused, ended, and a server that is busy", async () => {
  controlTime();
  const { client, socket } = onStockSocket();
  const seen = [];
  client.comet("a", () => {});
  await settle();
  socket.answer();
  client.presence("a", (now) => seen.push(now));
  await settle();
  socket.answer({ code: "rate_limited", message: "too often" });
  assert.deepEqual(socket.take(), []);
  mock.timers.tick(4000);
  assert.deepEqual(socket.answer(answer(0, "me")), [["a"], { since: {}, presence: ["a"] }]);
  socket.receive("$expired", { channel: "a", reason: "operator" });
  socket.receive("$join", { channel: "a", members: ["x"], guests: 0 });
  assert.deepEqual(seen, [here(0, "me")]);
  socket.receive("$session", { id: "1", member: "me" });
  await settle();
  socket.answer(answer(1, "me"));
  assert.deepEqual(seen.at(-1), here(1, "me"));
  mock.timers.reset();
});

test("presence takes a channel and a function", () => {
  const { client } = onStockSocket();
  assert.throws(() => client.presence("a"), TypeError);
  assert.throws(() => client.presence("$nodes", () => {}), TypeError);
});
