/** Who we say we are: the token, and the guest that we were. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { connectedOnFakes, controlTime, onFakes, settle } from "./fakes.js";

beforeEach(controlTime);

const refusal = (code) => `44{"message":"no","data":{"code":"${code}","message":"no"}}`;

for (const [name, token, code, tries] of [
  ["a constant bad token is not shown again", "jwt", "bad_token", 1],
  ["nor one that has expired", "jwt", "expired", 1],
  ["a function may have a better one", () => "jwt", "bad_token", 2],
  ["no token, another reason", undefined, "unavailable", 2],
  ["a constant token, another reason", "jwt", "unavailable", 2],
]) {
  test(`refused: ${name}`, async () => {
    const { client, WebSocket, heard } = onFakes({ token });
    client.connect();
    WebSocket.last.receive('0{"pingInterval":25000,"pingTimeout":20000}');
    await settle();
    assert.deepEqual(WebSocket.last.take(), [token ? '40{"token":"jwt"}' : "40{}"]);
    WebSocket.last.receive(refusal(code));
    assert.deepEqual(heard, [["error", { code, message: "no", channel: undefined }]]);
    assert.equal(WebSocket.last.closed, true);
    mock.timers.tick(1000);
    assert.equal(WebSocket.list.length, tries);
    client.connect(undefined, { token: "better" });
    await WebSocket.last.accept();
    assert.deepEqual(WebSocket.last.take(), ['40{"token":"better"}']);
  });
}

test("a token may take its time, and fail; a late one goes to nobody", async () => {
  const waiting = [];
  const token = () => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  const { client, WebSocket, heard } = onFakes({ token });
  client.connect();
  WebSocket.last.receive('0{"pingInterval":25000,"pingTimeout":20000}');
  waiting[0].reject(new Error("offline"));
  await settle();
  assert.deepEqual(heard, [["error", { code: "connect_failed", message: "offline", channel: undefined }]]);
  mock.timers.tick(1000);
  WebSocket.last.receive('0{"pingInterval":25000,"pingTimeout":20000}');
  WebSocket.last.drop();
  mock.timers.tick(2000);
  WebSocket.last.receive('0{"pingInterval":25000,"pingTimeout":20000}');
  waiting[1].resolve("late");
  await settle();
  assert.deepEqual(
    WebSocket.list.map(({ sent }) => sent.length),
    [0, 0, 0],
  );
  waiting[2].resolve("jwt");
  await settle();
  assert.deepEqual(WebSocket.last.take(), ['40{"token":"jwt"}']);
});

test("a guest says who it was: the same page, and the next, but not to another server", async () => {
  globalThis.localStorage = {};
  const { WebSocket } = await connectedOnFakes();
  WebSocket.last.receive('42["$session",{"id":"1","member":"guest:x","guest":"guest:x.sig"}]');
  WebSocket.last.receive('42["$session",{"id":"1","member":"m"}]');
  globalThis.localStorage["sb-guest https://stream.test/socket.io/"] += "2"; // by another page
  WebSocket.last.drop();
  mock.timers.tick(1000);
  await WebSocket.last.accept();
  assert.deepEqual(WebSocket.last.take(), ['40{"guest":"guest:x.sig"}']);
  for (const [url, want] of [
    ["https://stream.test/", '40{"guest":"guest:x.sig2"}'],
    ["https://other.test/", "40{}"],
  ]) {
    const next = onFakes();
    next.client.connect(url, { WebSocket: next.WebSocket });
    await next.WebSocket.last.accept();
    assert.deepEqual(next.WebSocket.last.take(), [want]);
  }
});

test("without storage a guest is remembered by the page", async () => {
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get() {
      throw new Error("SecurityError");
    },
  });
  const { WebSocket } = await connectedOnFakes();
  WebSocket.last.receive('42["$session",{"id":"1","member":"guest:x","guest":"g"}]');
  WebSocket.last.drop();
  mock.timers.tick(1000);
  await WebSocket.last.accept();
  assert.deepEqual(WebSocket.last.take(), ['40{"guest":"g"}']);
});
