/** Our own socket over a fake WebSocket and a fake clock: heartbeat, ends, coming back. */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { beforeEach, mock, test } from "node:test";
import { connectedOnFakes, controlTime, onFakes, settle } from "./fakes.js";

beforeEach(controlTime);

test("the first comet connects, by itself and once", async () => {
  const { client, WebSocket, heard } = onFakes();
  assert.equal(WebSocket.list.length, 0);
  client.comet("a", () => {});
  client.comet("b", () => {});
  await settle();
  assert.equal(WebSocket.list.length, 1);
  assert.equal(WebSocket.last.url, "wss://stream.test/socket.io/?EIO=4&transport=websocket");
  await WebSocket.last.accept();
  assert.deepEqual(WebSocket.last.take(), ["40{}", '420["subscribe",["a","b"],{"since":{}}]']);
  assert.deepEqual(heard, [["connect"]]);
});

test("a comet that is stopped at once connects nobody", async () => {
  const { client, WebSocket } = onFakes();
  client.comet("a", () => {})();
  await settle();
  assert.equal(WebSocket.list.length, 0);
});

test("the path is the default, an absolute one, or relative to the script", () => {
  for (const [path, want] of [
    [undefined, "wss://h.test/socket.io/"],
    ["/rt", "wss://h.test/rt/"],
    ["socket.io/", "wss://h.test/app/socket.io/"],
  ]) {
    const { client, WebSocket } = onFakes({ path: "/of-another-server/" });
    client.connect("https://h.test/app/sb.js?v=1", path ? { path, WebSocket } : { WebSocket });
    assert.equal(WebSocket.last.url.split("?")[0], want);
  }
});

test("events, answers and what is not for us", async () => {
  const { client, WebSocket, heard } = await connectedOnFakes();
  const calls = [];
  client.comet("a", (...args) => calls.push(args));
  await settle();
  WebSocket.last.receive(
    '42["$session",{"id":"1","member":"m"}]',
    '420["a",{"text":"1\u2028é"},"p1"]', // the server asks for an ack, which we have no use for
    '430[{"ok":true,"channels":{"a":{"position":"p0","recovered":false,"replayed":0}}}]',
    "437[]",
    '451-["binary",{"_placeholder":true,"num":0}]',
    new ArrayBuffer(1),
    "6",
  );
  assert.deepEqual(calls, [[{ text: "1\u2028é" }, { channel: "a", position: "p1" }]]);
  assert.deepEqual(heard, [["session", { id: "1", member: "m" }]]);
  assert.equal(client.session.member, "m");
  assert.equal(WebSocket.last.closed, false);
});

test("nonsense ends the connection, not the client", async () => {
  const { WebSocket, heard } = await connectedOnFakes();
  WebSocket.last.receive('42["a"');
  assert.deepEqual(heard, [["disconnect", "parse error"]]);
  assert.equal(WebSocket.last.closed, true);
  mock.timers.tick(1000);
  assert.equal(WebSocket.list.length, 2);
});

test("heartbeat: a ping is answered, and no ping means a dead connection", async () => {
  const { WebSocket, heard } = await connectedOnFakes();
  mock.timers.tick(44000);
  WebSocket.last.receive("2");
  assert.deepEqual(WebSocket.last.take(), ["3"]);
  mock.timers.tick(44000);
  WebSocket.last.receive('42["a",1]', "6"); // prove nothing
  assert.deepEqual(heard, []);
  mock.timers.tick(1000);
  assert.deepEqual(heard, [["disconnect", "ping timeout"]]);
  assert.equal(WebSocket.last.closed, true);
});

test("the delays double up to the greatest, and start anew after a stable connection", async () => {
  const { WebSocket, heard } = await connectedOnFakes();
  const delays = [];
  const next = () => {
    const before = WebSocket.list.length;
    let delay = 0;
    for (; WebSocket.list.length === before; delay += 500) {
      mock.timers.tick(500);
    }
    delays.push(delay);
  };
  WebSocket.last.drop();
  next();
  await WebSocket.last.accept();
  WebSocket.last.drop(); // at once: not stable
  next();
  await WebSocket.last.accept();
  mock.timers.tick(6000);
  WebSocket.last.drop();
  next();
  assert.deepEqual(delays, [1000, 2000, 1000]);
  assert.deepEqual(
    heard.map(([event]) => event),
    ["disconnect", "connect", "disconnect", "connect", "disconnect"],
  );
});

test("while the server is away the delay grows to 30 s", async () => {
  const { client, WebSocket, heard } = onFakes({ transports: ["websocket"] });
  client.connect();
  const delays = [];
  for (let i = 0; i < 8; i++) {
    WebSocket.last.fail();
    const before = WebSocket.list.length;
    let delay = 0;
    for (; WebSocket.list.length === before; delay += 1000) {
      mock.timers.tick(1000);
    }
    delays.push(delay / 1000);
  }
  assert.deepEqual(delays, [1, 2, 4, 8, 16, 30, 30, 30]);
  assert.deepEqual(heard[0], ["error", { code: "connect_failed", message: "transport error", channel: undefined }]);
});

test("the jitter is full", async () => {
  mock.method(Math, "random", () => 0.1);
  const { WebSocket } = await connectedOnFakes();
  WebSocket.last.drop();
  mock.timers.tick(99);
  assert.equal(WebSocket.list.length, 1);
  mock.timers.tick(1);
  assert.equal(WebSocket.list.length, 2);
});

test("after a reconnect it subscribes with since, in one message", async () => {
  const { client, WebSocket } = await connectedOnFakes();
  client.comet(["a", "b"], () => {});
  await settle();
  WebSocket.last.receive('42["a",1,"p1"]');
  WebSocket.last.drop();
  mock.timers.tick(1000);
  await WebSocket.last.accept();
  assert.deepEqual(WebSocket.last.take(), ["40{}", '421["subscribe",["a","b"],{"since":{"a":"p1"}}]']);
});

test("sent away by the server: no return, until connect()", async () => {
  const { client, WebSocket, heard } = await connectedOnFakes();
  WebSocket.last.receive("41");
  assert.deepEqual(heard, [["disconnect", "io server disconnect"]]);
  assert.equal(WebSocket.last.closed, true);
  client.comet("a", () => {});
  await settle();
  mock.timers.tick(60000);
  assert.equal(WebSocket.list.length, 1);
  client.connect();
  client.connect();
  assert.equal(WebSocket.list.length, 2);
});

test("closed by us: no return, until connect()", async () => {
  const { client, WebSocket, heard } = await connectedOnFakes();
  client.close();
  client.close();
  mock.timers.tick(60000);
  assert.deepEqual(heard, [["disconnect", "io client disconnect"]]);
  assert.equal(WebSocket.list.length, 1);
  client.connect();
  client.close();
  assert.equal(WebSocket.list.length, 2);
  assert.equal(WebSocket.last.closed, true);
});

test("network or page back: the next try is now, and a connection past its deadline is dead", async () => {
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  globalThis.removeEventListener = target.removeEventListener.bind(target);
  globalThis.document = { hidden: true };
  const wake = (name) => target.dispatchEvent(new Event(name));
  const { client, WebSocket, heard } = await connectedOnFakes();
  wake("online");
  assert.deepEqual(heard, []);
  WebSocket.last.drop();
  wake("visibilitychange");
  assert.equal(WebSocket.list.length, 1);
  wake("online");
  assert.equal(WebSocket.list.length, 2);
  mock.timers.tick(1000);
  assert.equal(WebSocket.list.length, 2);
  await WebSocket.last.accept();
  heard.length = 0;
  mock.timers.setTime(1e12 + 1000); // timers stand still while a machine sleeps,
  mock.method(Date, "now", () => 1e12 + 60000); // the clock does not
  globalThis.document.hidden = false;
  wake("visibilitychange");
  assert.deepEqual(heard, [["disconnect", "ping timeout"]]);
  assert.equal(WebSocket.list.length, 3);
  client.on("disconnect", () => client.close());
  await WebSocket.last.accept();
  mock.method(Date, "now", () => 1e12 + 120000);
  wake("pageshow");
  wake("online");
  assert.equal(WebSocket.list.length, 3);
  assert.deepEqual(getEventListeners(target, "online"), []);
});
