/** Long-polling over a fake fetch, and the choice between it and WebSockets. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { controlTime, handshake, onFakes, settle } from "./fakes.js";

beforeEach(controlTime);

/** Answers the handshake and the CONNECT of a polling client. */
async function accept(fetch, more) {
  fetch.poll.answer(`0${JSON.stringify({ ...handshake, ...more })}`);
  await settle();
  fetch.post.answer("ok");
  fetch.poll.answer('40{"sid":"x"}');
  await settle();
}

/** A client on polling only, connected. */
async function connected(options, more) {
  const all = onFakes({ transports: ["polling"], ...options });
  all.client.connect();
  await accept(all.fetch, more);
  return all;
}

test("handshake, CONNECT, messages and pings; one poll and one post at a time", async () => {
  const { client, WebSocket, fetch, heard } = onFakes({ transports: ["polling"] });
  const calls = [];
  client.comet("a", (data) => calls.push(data));
  await settle();
  const first = fetch.poll;
  assert.equal(first.url.origin + first.url.pathname, "https://stream.test/socket.io/");
  assert.deepEqual([...first.url.searchParams.keys()], ["EIO", "transport", "t"]);
  assert.equal(first.credentials, "same-origin");
  first.answer(`0${JSON.stringify({ ...handshake, sid: "a&b" })}`);
  await settle();
  assert.equal(fetch.requests.length, 2);
  assert.equal(fetch.poll.url.searchParams.get("sid"), "a&b");
  assert.notEqual(fetch.poll.url.searchParams.get("t"), first.url.searchParams.get("t"));
  assert.equal(fetch.post.body, "40{}");
  fetch.poll.answer('40{"sid":"x"}\x1e2');
  await settle();
  assert.deepEqual(heard, [["connect"]]);
  assert.equal(fetch.requests.length, 2);
  fetch.post.answer("ok");
  await settle();
  assert.equal(fetch.post.body, '420["subscribe",["a"],{"since":{}}]\x1e3');
  fetch.poll.answer('42["a",1]\x1e42["a",2]');
  await settle();
  assert.deepEqual(calls, [1, 2]);
  assert.equal(fetch.requests.filter(({ method }) => method === "GET").length, 1);
  assert.equal(WebSocket.list.length, 0);
});

test("credentials go elsewhere only when asked for", async () => {
  const { fetch } = await connected({ withCredentials: true });
  assert.equal(fetch.poll.credentials, "include");
});

test("a post holds no more than maxPayload, in bytes", async () => {
  const { client, fetch } = await connected({}, { maxPayload: 100 });
  // A message each: the first goes at once, the third is too long in bytes to
  // go with its neighbours, the last in any case.
  const tags = ["a", "b", "é".repeat(20), "c", "d", "e".repeat(120)];
  for (const tag of tags) {
    client.comet(tag, () => {});
    await settle();
  }
  fetch.post.answer("ok");
  await settle();
  const posted = [];
  while (fetch.post) {
    posted.push(fetch.post.body.split("\x1e").map((packet) => JSON.parse(packet.slice(3))[1][0]));
    fetch.post.answer("ok");
    await settle();
  }
  assert.deepEqual(posted, [["b"], [tags[2]], ["c", "d"], [tags[5]]]);
});

test("what is said in one turn goes in one post", async () => {
  const { client, fetch } = await connected();
  const stop = client.comet("a", () => {});
  await settle();
  fetch.post.answer("ok");
  await settle();
  stop();
  client.comet("b", () => {});
  await settle();
  assert.equal(fetch.post.body, '42["unsubscribe",["a"]]\x1e421["subscribe",["b"],{"since":{}}]');
});

for (const [name, end, reason] of [
  ["a poll that fails", ({ poll }) => poll.fail(), "transport error"],
  ["a poll that is refused", ({ poll }) => poll.answer("{}", 400), "transport error"],
  ["a post that is refused", ({ post }) => post.answer("", 413), "transport error"],
  ["packet 1", ({ poll }) => poll.answer("6\x1e1"), "transport close"],
  ["no ping", () => mock.timers.tick(45000), "ping timeout"],
]) {
  test(`the connection ends by ${name}`, async () => {
    const { client, fetch, heard } = await connected();
    client.comet("a", () => {});
    await settle();
    heard.length = 0;
    end(fetch);
    await settle();
    assert.deepEqual(heard, [["disconnect", reason]]);
    assert.deepEqual(fetch.requests, []);
    mock.timers.tick(1000);
    assert.equal(fetch.poll.url.searchParams.get("sid"), null);
  });
}

test("closed by us: the poll is taken back", async () => {
  const { client, fetch, heard } = await connected();
  client.close();
  await settle();
  mock.timers.tick(60000);
  assert.deepEqual(heard.at(-1), ["disconnect", "io client disconnect"]);
  assert.deepEqual(fetch.requests, []);
});

test("sent away by the server: it is told that nobody polls any more", async () => {
  const { fetch, heard } = await connected();
  fetch.poll.answer("41");
  await settle();
  assert.deepEqual(heard.at(-1), ["disconnect", "io server disconnect"]);
  assert.equal(fetch.requests.length, 1);
  assert.equal(fetch.post.body, "1");
  fetch.post.answer("", 400);
  await settle();
  mock.timers.tick(60000);
  assert.deepEqual(fetch.requests, []);
});

/** Ways in which a WebSocket does not come about. */
const blocked = {
  "there is none": { options: { WebSocket: {} } },
  "the constructor throws": {
    options: {
      WebSocket: class {
        constructor() {
          throw new Error("SecurityError");
        }
      },
    },
  },
  "it fails": { block: (WebSocket) => WebSocket.last.fail() },
  "it is closed before the handshake": { block: (WebSocket) => WebSocket.last.drop() },
  "nothing comes": { block: () => mock.timers.tick(4000) },
};
for (const [name, { options, block }] of Object.entries(blocked)) {
  test(`polling where WebSockets are blocked: ${name}`, async () => {
    const { client, WebSocket, fetch, heard } = onFakes(options);
    client.connect();
    await (block ? block(WebSocket) : mock.timers.tick(0));
    assert.ok(WebSocket.list.every(({ closed }) => closed));
    await accept(fetch);
    assert.deepEqual(heard, [["connect"]]);
  });
}

test("both fail: one try, one error, and then again", async () => {
  const { client, WebSocket, fetch, heard } = onFakes();
  client.connect();
  WebSocket.last.fail();
  fetch.poll.fail();
  await settle();
  assert.deepEqual(heard, [["error", { code: "connect_failed", message: "transport error", channel: undefined }]]);
  mock.timers.tick(1000);
  assert.equal(WebSocket.list.length, 2);
});

test("polling stays for a while where it had to help, then WebSockets get another chance", async () => {
  const { client, WebSocket, fetch } = onFakes();
  client.connect();
  WebSocket.last.fail();
  await accept(fetch);
  fetch.poll.fail();
  await settle();
  mock.timers.tick(1000);
  assert.equal(WebSocket.list.length, 1);
  await accept(fetch);
  for (let i = 0; i < 20; i++) {
    mock.timers.tick(30000);
    fetch.poll.answer("2");
    await settle();
    fetch.post.answer("ok");
    await settle();
  }
  fetch.poll.fail();
  await settle();
  mock.timers.tick(1000);
  assert.equal(WebSocket.list.length, 2);
  assert.deepEqual(fetch.requests, []);
  await WebSocket.last.accept();
  WebSocket.last.drop();
  mock.timers.tick(2000);
  assert.equal(WebSocket.list.length, 3);
});

test("where polling fails in its turn, the WebSocket is tried at once", async () => {
  const { client, WebSocket, fetch } = onFakes();
  client.connect();
  WebSocket.last.fail();
  await accept(fetch);
  fetch.poll.fail();
  await settle();
  mock.timers.tick(1000);
  fetch.poll.fail();
  await settle();
  assert.equal(WebSocket.list.length, 2);
});

test("a WebSocket that worked is tried alone three times: a server that restarts is no proxy that blocks", async () => {
  const { client, WebSocket, fetch } = onFakes();
  client.connect();
  await WebSocket.last.accept();
  WebSocket.last.drop();
  for (const wait of [1000, 2000]) {
    mock.timers.tick(wait);
    WebSocket.last.fail();
    assert.deepEqual(fetch.requests, []);
  }
  mock.timers.tick(4000);
  assert.equal(WebSocket.list.length, 4);
  WebSocket.last.fail();
  assert.equal(fetch.requests.length, 1);
  await accept(fetch);
});
