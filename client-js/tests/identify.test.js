/** Somebody logs in and out while the connection stays. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Client } from "../src/client.js";
import { connectedOnFakes, controlTime, onStockSocket, StockSocket, settle } from "./fakes.js";

beforeEach(controlTime);

test("what was refused is asked for again when we are somebody else", async () => {
  const { client, socket, heard } = onStockSocket();
  client.comet(["open", "private:a"], () => {});
  await settle();
  socket.answer({ code: "forbidden", message: "no", channel: "private:a" });
  assert.deepEqual(socket.take(), [["subscribe", ["open"], { since: {} }]]);
  socket.receive("$session", { id: "1", member: "7" });
  await settle();
  assert.deepEqual(socket.take(), [["subscribe", ["private:a"], { since: {} }]]);
  socket.receive("$session", { id: "1", member: "7" });
  await settle();
  assert.deepEqual(socket.take(), [], "it was asked for twice");
  assert.deepEqual(
    heard.filter(([name]) => name === "error"),
    [["error", { code: "forbidden", message: "no", channel: "private:a" }]],
  );
});

test("a channel that ends is told, and asked for with the next identity", async () => {
  const { client, socket, heard } = onStockSocket();
  client.comet("private:a", () => {});
  await settle();
  socket.answer();
  heard.length = 0;
  socket.receive("$session", { id: "1", member: "guest:x", guest: "t" });
  socket.receive("$expired", { channel: "private:a", reason: "changed" });
  socket.receive("$expired", { channel: "left:before", reason: "changed" });
  await settle();
  assert.deepEqual(socket.take(), []);
  const told = { code: "expired", message: "the server has ended it: changed" };
  assert.deepEqual(heard, [
    ["session", { id: "1", member: "guest:x", guest: "t" }],
    ["error", { ...told, channel: "private:a" }],
    ["error", { ...told, channel: "left:before" }],
  ]);
  socket.receive("$session", { id: "1", member: "7" });
  await settle();
  assert.deepEqual(socket.take(), [["subscribe", ["private:a"], { since: { "private:a": "p0" } }]]);
});

test("identify with a token, which is that of later connections too", async () => {
  const { client, WebSocket } = await connectedOnFakes();
  WebSocket.last.take();
  const done = client.identify("jwt");
  await settle();
  assert.deepEqual(WebSocket.last.take(), ['420["identify","jwt"]']);
  WebSocket.last.receive('430[{"ok":true}]');
  await done;
  WebSocket.last.drop();
  mock.timers.tick(1000);
  await WebSocket.last.accept();
  assert.deepEqual(WebSocket.last.take(), ['40{"token":"jwt"}']);

  const refused = client.identify("bad");
  await settle();
  WebSocket.last.take();
  WebSocket.last.receive('431[{"ok":false,"error":{"code":"bad_token","message":"no"}}]');
  await assert.rejects(refused, { code: "bad_token", message: "no" });

  const lost = client.identify("late");
  await settle();
  WebSocket.last.drop();
  await lost; // the next connection says it
});

for (const [url, options, want] of [
  ["https://stream.test/app/", {}, "https://stream.test/api/identify"],
  ["wss://stream.test", {}, "https://stream.test/api/identify"],
  ["https://stream.test/below/sb.js", { path: "socket.io/" }, "https://stream.test/below/api/identify"],
]) {
  test(`identify by cookies: ${want} of ${url}`, async () => {
    const asked = [];
    let answer = { token: "ticket" };
    const fetch = async (address, { method, credentials }) => {
      asked.push([address, method, credentials]);
      return { json: async () => answer };
    };
    const client = new Client(url, { ...options, fetch });
    const socket = new StockSocket();
    client.use(socket);
    await client.identify(); // not connected: the handshake brings the cookies
    socket.up();
    const done = client.identify();
    await settle();
    assert.deepEqual(asked, [
      [want, "POST", "include"],
      [want, "POST", "include"],
    ]);
    const { name, args, ack } = socket.sent.shift();
    assert.deepEqual([name, ...args], ["identify", "ticket"]);
    ack({ ok: true });
    await done;
    assert.deepEqual(socket.listeners().includes("disconnect"), true);
    answer = { error: { code: "bad_request", message: "no cookies" } };
    await assert.rejects(client.identify(), { code: "bad_request", message: "no cookies" });
  });
}

test("a token function is asked before what it opened is closed", async () => {
  const tokens = ["first", "second", undefined];
  const { WebSocket, heard } = await connectedOnFakes({ token: () => tokens.shift() });
  WebSocket.last.receive('42["$session",{"id":"1","member":"7","expired":true}]');
  await settle();
  assert.deepEqual(WebSocket.last.take(), ['420["identify","second"]']);
  WebSocket.last.receive('430[{"ok":false,"error":{"code":"bad_token","message":"no"}}]');
  await settle();
  assert.deepEqual(heard.at(-1), ["error", { code: "bad_token", message: "no", channel: undefined }]);
  WebSocket.last.receive('42["$session",{"id":"1","member":"7","expired":true}]');
  await settle();
  assert.deepEqual(WebSocket.last.take(), [], "there is no token");
});
