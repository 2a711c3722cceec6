/** The client over real sockets, against the reference implementation. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Client } from "../src/client.js";
import { standIn, WebSocket } from "./stand-in.js";

/** The next time that event happens to client. */
const next = (client, event) =>
  new Promise((resolve) => {
    const stop = client.on(event, (value) => {
      stop();
      resolve(value);
    });
  });

/** A callback that keeps the data it was called with, and until(n) of them are there. */
function inbox() {
  const all = [];
  let check = () => {};
  const callback = (data) => {
    all.push(data);
    check();
  };
  const until = (n) =>
    new Promise((resolve) => {
      check = () => all.length >= n && resolve(all);
      check();
    });
  return Object.assign(callback, { until, all });
}

/** A server and a client of it, both gone after the test. */
async function setUp(t, options, serverOptions) {
  const server = await standIn(serverOptions);
  const client = new Client(server.url, { WebSocket, reconnectDelay: 20, ...options });
  t.after(async () => {
    client.close();
    await server.close();
  });
  return { server, client };
}

/** Waits until the server has the subscription. */
const subscribed = async (server, channel) => {
  while (!server.io.sockets.adapter.rooms.has(channel)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

for (const transports of [["websocket"], ["polling"]]) {
  test(`the whole way by ${transports}`, { timeout: 20000 }, async (t) => {
    const { server, client } = await setUp(t, { transports }, { pingInterval: 100, pingTimeout: 10000 });
    const feed = inbox();
    const other = inbox();
    const session = next(client, "session");
    const stop = client.comet(["feed", "zimmer/é"], feed);
    client.comet("feed", other);
    assert.equal((await session).guest, "g1");
    assert.equal(client.session.member, "guest:1");
    await subscribed(server, "feed");
    assert.equal(server.connection().transport.name, transports[0]);
    assert.deepEqual(server.subscribes, [{ tags: ["feed", "zimmer/é"], since: {} }]);

    const data = [{ goal: 1 }, "text \u2028 😀", "x".repeat(150000), null];
    for (const each of data) {
      server.publish("feed", each);
    }
    server.publish("zimmer/é", "last");
    assert.deepEqual(await feed.until(5), [...data, "last"]);
    assert.deepEqual(await other.until(4), data);

    // Some heartbeats later it is still the same connection, and the stopped one hears no more.
    stop();
    for (let i = 0; i < 5; i++) {
      await once(server.connection(), "heartbeat");
    }
    assert.equal(server.io.sockets.adapter.rooms.has("zimmer/é"), false);
    server.publish("feed", "after");
    assert.equal((await other.until(5))[4], "after");
    assert.equal(feed.all.length, 5);
    assert.equal(server.subscribes.length, 1);
  });

  test(`a cut connection loses nothing by ${transports}`, { timeout: 20000 }, async (t) => {
    const { server, client } = await setUp(t, { transports });
    const feed = inbox();
    client.comet("feed", feed);
    await subscribed(server, "feed");
    server.publish("feed", 1);
    await feed.until(1);
    const gone = next(client, "disconnect");
    server.connection().close();
    assert.equal(await gone, "transport close");
    server.publish("feed", 2);
    await feed.until(2);
    server.publish("feed", 3);
    assert.deepEqual(await feed.until(3), [1, 2, 3]);
    assert.deepEqual(server.subscribes[1], { tags: ["feed"], since: { feed: "p0" } });
  });

  test(`a restarted server, which has forgotten: gap, by ${transports}`, { timeout: 20000 }, async (t) => {
    const { server, client } = await setUp(t, { transports });
    const feed = inbox();
    client.comet("feed", feed);
    await subscribed(server, "feed");
    server.publish("feed", 1);
    await feed.until(1);
    const gap = next(client, "gap");
    await server.close();
    const again = await standIn({}, server.port);
    t.after(() => again.close());
    again.io.on("connection", (socket) =>
      socket.prependAny((_name, _tags, options) => {
        options.since = {};
      }),
    );
    assert.deepEqual(await gap, { channel: "feed", reason: "not_recovered" });
    again.publish("feed", 2);
    assert.deepEqual(await feed.until(2), [1, 2]);
    assert.equal(again.connection().transport.name, transports[0]);
  });

  test(`sent away, and refused, by ${transports}`, { timeout: 20000 }, async (t) => {
    const { server, client } = await setUp(t, { transports });
    const reason = next(client, "disconnect");
    client.comet(["a", "private:x", "b"], () => {});
    const error = await next(client, "error");
    assert.deepEqual(error, { code: "forbidden", message: "no", channel: "private:x" });
    await subscribed(server, "b");
    const ended = once(server.connection(), "close");
    server.io.disconnectSockets(); // 41, and the rest is left to the client
    assert.equal(await reason, "io server disconnect");
    await ended;
    client.connect(null, { token: "bad" });
    assert.equal((await next(client, "error")).code, "bad_token");
    client.connect(null, { token: async () => "jwt" });
    assert.equal((await next(client, "session")).member, "m");
  });
}

test("WebSockets blocked: polling", { timeout: 20000 }, async (t) => {
  const { server, client } = await setUp(t);
  server.io.engine.opts.transports = ["polling"];
  const feed = inbox();
  client.comet("feed", feed);
  await subscribed(server, "feed");
  server.publish("feed", 1);
  await feed.until(1);
  assert.equal(server.connection().transport.name, "polling");
});

test("from another origin", { timeout: 20000 }, async (t) => {
  const { server, client } = await setUp(t, { transports: ["polling"] }, { cors: { origin: "*" } });
  const preflights = [];
  server.io.engine.on("headers", (_headers, request) => preflights.push(request.method));
  client.comet("feed", () => {});
  await subscribed(server, "feed");
  assert.ok(!preflights.includes("OPTIONS"));
});

// Every release of the stock client that the repository has, under whichever name. The reference does not speak to 0.9,
// and 1.0.6 cannot be closed.
const require = createRequire(import.meta.url);
const { devDependencies } = require("../../package.json");
const stock = Object.keys(devDependencies)
  .filter((name) => /socket\.io-client/.test(name + devDependencies[name]))
  .filter((name) => !/@(0\.9|1\.0)\./.test(devDependencies[name]));
test("there are stock clients", () => assert.ok(stock.length >= 3, stock.join()));
for (const name of stock) {
  test(`on a stock socket: ${name}`, { timeout: 20000 }, async (t) => {
    const { server, client } = await setUp(t);
    const io = require(name);
    const socket = io(server.url, { reconnectionDelay: 20, forceNew: true });
    client.use(socket);
    const feed = inbox();
    const stop = client.comet("feed", feed);
    client.comet("private:x", () => {});
    assert.equal((await next(client, "error")).channel, "private:x");
    await subscribed(server, "feed");
    assert.equal(client.session.member, "guest:1");
    server.publish("feed", 1);
    await feed.until(1);
    server.connection().close();
    server.publish("feed", 2);
    assert.deepEqual(await feed.until(2), [1, 2]);
    stop();
    client.close();
    assert.equal(socket.connected, false);
  });
}
