/** What the server is asked for, again and again, and what its answers mean. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { onStockSocket, settle } from "./fakes.js";

test("long lists are cut by number and by length", async () => {
  const { client, socket } = onStockSocket();
  client.comet(
    Array.from({ length: 300 }, (_, i) => `c${i}`),
    () => {},
  );
  await settle();
  assert.deepEqual(
    socket.take().map(([, tags]) => tags.length),
    [128, 128, 44],
  );
  client.comet(
    Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(250, ".")),
    () => {},
  );
  await settle();
  const sent = socket.take();
  assert.equal(sent.flatMap(([, tags]) => tags).length, 100);
  assert.ok(sent.every((message) => JSON.stringify(message).length < 20000));
});

test("after a reconnect everything is asked for again, from its last position", async () => {
  const { client, socket, heard } = onStockSocket();
  client.comet(["a", "b", "c"], () => {});
  await settle();
  socket.receive("a", 1, "p1"); // before the answer: the answer's position is older
  socket.answer();
  socket.receive("b", 1, "p2");
  socket.down();
  client.comet("d", () => {});
  await settle();
  assert.deepEqual(socket.take(), []);
  socket.up();
  const since = { a: "p1", b: "p2", c: "p0" };
  assert.deepEqual(socket.answer({ position: "p9", recovered: true, replayed: 0 }), [["a", "b", "c", "d"], { since }]);
  assert.deepEqual(heard, [["disconnect", "transport close"], ["connect"]]);
});

test("a message without a position leaves us where we were", async () => {
  const { client, socket } = onStockSocket();
  client.comet("a", () => {});
  await settle();
  socket.answer();
  socket.receive("a", 1);
  socket.down();
  socket.up();
  assert.deepEqual(socket.take()[0][2], { since: { a: "p0" } });
});

test("gap: told where a subscription was not recovered, and only there", async () => {
  const { client, socket, heard } = onStockSocket();
  client.comet(["told", "recovered"], () => {});
  await settle();
  socket.receive("told", 1); // before the answer
  socket.answer({ recovered: false });
  client.comet("heard", () => {});
  await settle();
  socket.receive("heard", 1); // and no answer comes
  assert.deepEqual(heard, []);
  socket.down();
  client.comet("new", () => {});
  socket.take();
  socket.up();
  heard.length = 0;
  const { args, ack } = socket.sent.shift();
  assert.deepEqual(args[0], ["told", "recovered", "heard", "new"]);
  ack({
    ok: true,
    channels: { recovered: { recovered: true }, heard: { recovered: false }, new: { recovered: false } },
  });
  assert.deepEqual(heard, [
    ["gap", { channel: "told", reason: "not_recovered" }],
    ["gap", { channel: "heard", reason: "not_recovered" }],
  ]);
});

test("gap: also where only the answer had come", async () => {
  const { client, socket, heard } = onStockSocket();
  client.comet("quiet", () => {});
  await settle();
  socket.answer();
  socket.down();
  socket.up();
  heard.length = 0;
  socket.answer({ position: "p1", recovered: false });
  assert.deepEqual(heard, [["gap", { channel: "quiet", reason: "not_recovered" }]]);
});

test("gap: where messages came, and then the end instead of the answer", async () => {
  const { client, socket, heard } = onStockSocket();
  client.comet(["a", "b"], () => {});
  await settle();
  socket.answer();
  socket.down();
  socket.up();
  socket.receive("a", 1, "p7"); // all since p0, or not: the answer would have said
  heard.length = 0;
  socket.down();
  assert.deepEqual(heard.shift(), ["gap", { channel: "a", reason: "not_recovered" }]);
  socket.up();
  assert.deepEqual(socket.sent.at(-1).args[1], { since: { a: "p7", b: "p0" } });
});

test("an answer of an earlier connection, or of what was left since, counts for nothing", async () => {
  const { client, socket, heard } = onStockSocket();
  const stop = client.comet("a", () => {});
  await settle();
  const early = socket.sent.shift();
  socket.down();
  socket.up();
  const late = socket.sent.shift();
  heard.length = 0;
  early.ack({ ok: false, error: { code: "forbidden", message: "no" } });
  stop();
  await settle();
  client.comet("a", () => {});
  await settle();
  late.ack({ ok: true, channels: { a: { position: "old" } } });
  socket.take();
  socket.down();
  socket.up();
  assert.deepEqual(socket.take(), [["subscribe", ["a"], { since: {} }]]);
  assert.deepEqual(heard, [["disconnect", "transport close"], ["connect"]]);
});

test("one refused of a list, and left since: the others are asked for again", async () => {
  const { client, socket, heard } = onStockSocket();
  const stop = client.comet("gone", () => {});
  client.comet(["a", "b"], () => {});
  await settle();
  stop();
  await settle();
  socket.answer({ code: "bad_channel", message: "no", channel: "gone" });
  assert.deepEqual(heard, []);
  assert.deepEqual(socket.take(), [
    ["unsubscribe", ["gone"]],
    ["subscribe", ["a", "b"], { since: {} }],
  ]);
});

test("refused: one of a list, then all, then asked for again by a new callback", async () => {
  const { client, socket, heard } = onStockSocket();
  client.comet(["a", "b", "c"], () => {});
  await settle();
  socket.answer({ code: "forbidden", message: "no", channel: "b" });
  assert.deepEqual(heard.splice(0), [["error", { code: "forbidden", message: "no", channel: "b" }]]);
  assert.deepEqual(socket.answer({ code: "too_many_channels", message: "128" })[0], ["a", "c"]);
  assert.deepEqual(heard.splice(0), [
    ["error", { code: "too_many_channels", message: "128", channel: "a" }],
    ["error", { code: "too_many_channels", message: "128", channel: "c" }],
  ]);
  client.comet("d", () => {});
  await settle();
  assert.deepEqual(socket.take(), [["subscribe", ["d"], { since: {} }]]);
  client.comet("b", () => {});
  await settle();
  assert.deepEqual(socket.take(), [["subscribe", ["b"], { since: {} }]]);
});

test("a server that is only busy is asked again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, socket, heard } = onStockSocket();
  const stop = client.comet("a", () => {});
  client.comet("b", () => {});
  await settle();
  socket.answer({ code: "unavailable", message: "later" });
  assert.deepEqual(heard, [["error", { code: "unavailable", message: "later", channel: undefined }]]);
  stop();
  await settle();
  socket.take();
  t.mock.timers.tick(4000);
  assert.deepEqual(socket.answer({ code: "rate_limited", message: "slowly" })[0], ["b"]);
  socket.down();
  socket.up();
  socket.take();
  t.mock.timers.tick(4000);
  assert.deepEqual(socket.take(), []);
});
