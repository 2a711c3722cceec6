/** What the server hands out: built, minified, and at home where it was loaded from. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";
import { fakeWebSocket, settle } from "./fakes.js";

const script = readFileSync(new URL("../dist/sb.js", import.meta.url), "utf8");

/** A page that has loaded the classic script: its globals, and its one connection. */
async function page(globals) {
  const WebSocket = fakeWebSocket();
  const context = vm.createContext({
    WebSocket,
    URL,
    TextEncoder,
    setTimeout,
    clearTimeout,
    queueMicrotask,
    ...globals,
  });
  vm.runInContext(script, context);
  context.document.currentScript = null; // as for everything that runs later
  vm.runInContext(
    "var got = []; SB.comet('a', (data, meta) => got.push([data, meta.channel, meta.position]))",
    context,
  );
  await settle();
  await WebSocket.last.accept();
  WebSocket.last.receive('42["a",{"goal":1},"p1"]');
  assert.equal(JSON.stringify(context.got), '[[{"goal":1},"a","p1"]]');
  vm.runInContext("SB.close()", context);
  return WebSocket.last.url;
}

for (const [name, globals, want] of [
  ["root", { document: { currentScript: { src: "https://h.test/sb.js?v=2" } } }, "wss://h.test/socket.io/"],
  [
    "below a prefix",
    { document: { currentScript: { src: "http://h.test:8080/rt/sb.js" } } },
    "ws://h.test:8080/rt/socket.io/",
  ],
  [
    "bundled",
    { document: { currentScript: null }, location: { href: "https://app.test/deep/page" } },
    "wss://app.test/socket.io/",
  ],
]) {
  test(`sb.js finds its server: ${name}`, async () => {
    assert.equal(await page(globals), `${want}?EIO=4&transport=websocket`);
  });
}

test("sb.js leaves one global behind, and the class in it", () => {
  const context = vm.createContext({ document: {}, location: { href: "https://app.test/" } });
  vm.runInContext(script, context);
  assert.deepEqual(Object.keys(context).sort(), ["SB", "document", "location"]);
  assert.equal(vm.runInContext("new SB.Client('https://other.test/').session", context), null);
});

test("sb.mjs exports SB and its parts, which need no this", async () => {
  const { SB, Client, comet, connect, identify, on, presence, use, ...rest } = await import("../dist/sb.mjs");
  assert.deepEqual(rest, {});
  assert.ok(SB instanceof Client && SB.Client === Client && presence && use);
  const WebSocket = fakeWebSocket();
  await identify("jwt"); // for when it connects
  connect("https://h.test/", { WebSocket });
  const calls = [];
  on("connect", () => calls.push("connect"));
  comet("a", (data) => calls.push(data));
  await WebSocket.last.accept();
  WebSocket.last.receive('42["a",1]');
  assert.deepEqual(calls, ["connect", 1]);
  SB.close();
});
