/** Positions that outlive the page, and connections that were recovered: what is asked for again, and from where. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { onStockSocket, settle } from "./fakes.js";

/** A sessionStorage that counts what is written to it. */
class Storage {
  #values = {};
  writes = 0;

  constructor() {
    // biome-ignore lint/correctness/noConstructorReturn: properties of any name, as storage has them.
    return new Proxy(this, {
      get: (_, key) => (key === "writes" ? this.writes : this.#values[key]),
      set: (_, key, value) => {
        this.writes++;
        this.#values[key] = String(value);
        return true;
      },
      deleteProperty: (_, key) => delete this.#values[key],
      ownKeys: () => Object.keys(this.#values),
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
    });
  }
}

const saveDelay = 1000;
const resume = /** @type {const} */ ({ resume: "session" });
const keyOf = (tag) => `sb-position http://unused.test/socket.io/ ${tag}`;

/** What the page listens to. */
let listeners;

const pagehide = () => {
  for (const listener of listeners) {
    listener();
  }
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  listeners = new Set();
  globalThis.sessionStorage = new Storage();
  globalThis.addEventListener = (name, listener) => name === "pagehide" && listeners.add(listener);
});

afterEach(() => {
  mock.timers.reset();
  delete globalThis.sessionStorage;
  delete globalThis.addEventListener;
});

/** A page on a socket of its own, which listens to these channels. */
async function page(tags, options = resume) {
  const all = onStockSocket();
  all.got = [];
  all.stop = all.client.comet(tags, options, (data) => all.got.push(data));
  await settle();
  return all;
}

test("a page goes on where the one before it ended, and only where it was asked to", async () => {
  const first = await page(["a", "quiet"]);
  first.client.comet("b", () => {});
  await settle();
  assert.deepEqual(first.socket.answer(), [["a", "quiet"], { since: {} }]);
  assert.deepEqual(first.socket.answer(), [["b"], { since: {} }]);
  first.socket.receive("a", 1, "p1");
  first.socket.receive("a", 2, "p2");
  first.socket.receive("a", 3); // has no position, and so we are where we were
  first.socket.receive("b", 1, "p3");
  pagehide();
  assert.deepEqual(Object.keys(sessionStorage).sort(), [keyOf("a"), keyOf("quiet")]);

  const second = await page(["a", "quiet", "new"]);
  assert.deepEqual(second.socket.sent[0].args, [["a", "quiet", "new"], { since: { a: "p2", quiet: "p0" } }]);
  // What was missed comes before the answer, whose position is as old as the subscription.
  second.socket.receive("a", 4, "p4");
  second.socket.receive("a", 5, "p5");
  second.socket.answer({ position: "p4", recovered: true, replayed: 2 });
  pagehide();
  assert.deepEqual(second.got, [4, 5]);
  assert.deepEqual(second.heard, []);

  const third = await page("a");
  assert.deepEqual(third.socket.take(), [["subscribe", ["a"], { since: { a: "p5" } }]]);
});

test("a page that cannot have all that was missed is told, once, and goes on from there", async () => {
  sessionStorage[keyOf("a")] = "p1";
  const { socket, heard } = await page(["a", "new"]);
  socket.receive("a", 1, "p2");
  socket.answer({ position: "p1", recovered: false });
  assert.deepEqual(heard, [["gap", { channel: "a", reason: "not_recovered" }]]);
  socket.receive("$gap", { channel: "a", reason: "broker_lost" }); // in the middle of a replay, or later
  assert.deepEqual(heard[1], ["gap", { channel: "a", reason: "broker_lost" }]);
  pagehide();
  assert.equal(sessionStorage[keyOf("a")], "p2");
});

test("storage is written once for many messages", async () => {
  const { socket } = await page("a");
  socket.answer();
  for (let i = 0; i < 1000; i++) {
    socket.receive("a", i, `p${i}`);
  }
  assert.equal(sessionStorage.writes, 0);
  mock.timers.tick(saveDelay);
  assert.deepEqual([sessionStorage.writes, sessionStorage[keyOf("a")]], [1, "p999"]);
  mock.timers.tick(10 * saveDelay);
  assert.equal(sessionStorage.writes, 1);
  socket.receive("a", 0, "p1000");
  pagehide();
  mock.timers.tick(10 * saveDelay);
  assert.deepEqual([sessionStorage.writes, sessionStorage[keyOf("a")]], [2, "p1000"]);
});

test("a channel that was left is not resumed; one that another callback wants to resume is", async () => {
  const { client, socket, stop } = await page("left");
  socket.answer();
  pagehide();
  socket.receive("left", 1, "p1");
  stop();
  await settle();
  pagehide();
  assert.deepEqual(Object.keys(sessionStorage), []);

  client.comet("a", () => {});
  await settle();
  socket.take();
  socket.receive("a", 1, "p1");
  sessionStorage[keyOf("a")] = "of another page";
  client.comet("a", resume, () => {}); // which it is in the middle of
  await settle();
  pagehide();
  assert.equal(sessionStorage[keyOf("a")], "p1");
});

for (const [name, storage] of [
  ["there is none", undefined],
  [
    "it is forbidden",
    {
      get: () => {
        throw new Error("denied");
      },
    },
  ],
]) {
  test(`storage: ${name}`, async () => {
    delete globalThis.sessionStorage;
    if (storage) {
      Object.defineProperty(globalThis, "sessionStorage", { ...storage, configurable: true });
    }
    const { socket, got, stop } = await page("a");
    assert.deepEqual(socket.answer(), [["a"], { since: {} }]);
    socket.receive("a", 1, "p1");
    pagehide();
    mock.timers.tick(saveDelay);
    stop();
    assert.deepEqual(got, [1]);
  });
}

test("a socket that was recovered is asked for nothing that it has", async () => {
  const { client, socket, heard, got, stop } = await page(["a", "b"], {});
  socket.answer();
  client.comet("unanswered", () => {});
  const leave = client.comet("left", () => {});
  await settle();
  socket.answer({ code: "forbidden", message: "no", channel: "unanswered" });
  socket.answer();
  client.comet("late", () => {});
  await settle();
  socket.take();
  socket.down();
  leave();
  await settle();
  heard.length = 0;

  socket.recovered = true;
  socket.receive("a", 1, "p1"); // before it says that it is connected
  socket.up();
  assert.deepEqual(socket.take(), [
    ["unsubscribe", ["left"]],
    ["subscribe", ["unanswered", "late"], { since: {} }],
  ]);
  assert.deepEqual([got, heard], [[1], [["connect"]]]);

  // And one that was not, for everything.
  socket.down();
  stop();
  await settle();
  socket.recovered = false;
  socket.up();
  assert.deepEqual(socket.take(), [["subscribe", ["unanswered", "late"], { since: {} }]]);
});

test("what another socket has recovered is not ours", async () => {
  const { client, socket } = await page("a", {});
  socket.answer();
  const other = onStockSocket().socket;
  other.recovered = true;
  client.use(other);
  assert.deepEqual(other.take(), [["subscribe", ["a"], { since: { a: "p0" } }]]);
});
