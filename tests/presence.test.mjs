// Who is in a channel, over two processes and a real Redis, with the shim and
// stock clients: one process is killed, Redis is, and a deploy goes by.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "../client-js/src/client.js";
import { WebSocket } from "../client-js/tests/stand-in.js";
import { call, eventually, next, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const io = require("sio-client-4");

const goneAfter = 10_000; // ms, docs/presence.md
const key = "planted-key-of-members-0123456789abcdef";

/** The token of a member. */
function token(sub) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ alg: "HS256" })}.${part({ sub, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${body}.${createHmac("sha256", key).update(body).digest("base64url")}`;
}

/** Two servers that share a Redis. */
async function cluster(t, flags = []) {
  const redis = await startRedis(t);
  const node = () =>
    startServer(t, [`--redis=${redis.url}`, ...flags], {
      SB_CLUSTER_KEY: "planted-key-of-the-cluster",
      SB_JWT_KEY: key,
    });
  return { redis, node, one: await node(), two: await node() };
}

/** A page with the shim: what it shows of channel x, and how often that changed. */
function page(t, server, member) {
  const options = { WebSocket, transports: ["websocket"], token: () => token(member) };
  const client = new Client(server.url, options);
  const shown = { client, options, now: "", changes: [] };
  client.presence("x", ({ members, guests }) => {
    shown.now = `${members} ${guests}`;
    shown.changes.push(shown.now);
  });
  t.after(() => client.close());
  return shown;
}

/** A stock client that has subscribed with presence; member "" is a guest. */
async function stock(t, server, member = "", options = {}) {
  const socket = io(server.url, { forceNew: true, auth: member ? { token: token(member) } : {}, ...options });
  t.after(() => socket.close());
  const seen = [];
  for (const name of ["$join", "$leave", "$presence"]) {
    socket.on(name, (news) => seen.push([name, news]));
  }
  const { channels } = await call(socket, "subscribe", "x", { presence: true });
  return { socket, seen, here: channels.x.presence };
}

test("a process is killed: its members leave within the time that is promised", async (t) => {
  const { one, two } = await cluster(t);
  const ann = page(t, one, "ann");
  await eventually("ann is there", () => ann.now === "ann 0");
  const bob = await stock(t, two, "bob");
  assert.deepEqual(bob.here, { members: ["ann", "bob"], count: 2, guests: 0 });
  const guest = await stock(t, two);
  assert.deepEqual(guest.here, { members: ["ann", "bob"], count: 2, guests: 1 });
  assert.deepEqual(
    (await (await fetch(`${one.url}/api/channels/x/members`)).json()).members,
    ["ann", "bob"].map((member) => ({ member, sessions: 1, present: true })),
  );
  const old = await stock(t, one, "", { transports: ["polling"] });
  await eventually("all are there", () => ann.now === "ann,bob 2");
  for (const { socket } of [bob, guest]) socket.io.reconnection(false);
  const killed = Date.now();
  await two.stop("SIGKILL");
  await eventually("they have left", () => ann.now === "ann 1", 2 * goneAfter);
  const took = Date.now() - killed;
  assert.ok(took < goneAfter, `it took ${took} ms`);
  t.diagnostic(`the members of a killed process left after ${took} ms`);
  await eventually("stock clients are told", () => old.seen.at(-1)?.[0] === "$leave");
  assert.deepEqual(old.seen.at(-1)[1], { channel: "x", members: ["bob"], guests: 1 });
});

test("Redis is killed and comes back: who left has left, who came is there, and nobody else is news", async (t) => {
  const { redis, one, two } = await cluster(t);
  const [ann, bob] = [page(t, one, "ann"), page(t, two, "bob")];
  const eve = await stock(t, two, "eve");
  await eventually("all are there", () => ann.now === "ann,bob,eve 0" && bob.now === "ann,bob,eve 0");
  ann.changes.length = 0;
  await redis.kill();
  await eventually("it is not ready", async () => (await fetch(`${one.url}/readyz`)).status === 503);
  eve.socket.close();
  const kim = page(t, one, "kim");
  await sleep(6000); // longer than the leases
  await redis.start();
  const back = Date.now();
  await eventually("all know", () => [ann, bob, kim].every(({ now }) => now === "ann,bob,kim 0"), 2 * goneAfter);
  const took = Date.now() - back;
  assert.ok(took < goneAfter, `it took ${took} ms`);
  assert.ok(
    ann.changes.every((now) => now.startsWith("ann,bob")),
    `somebody was gone for a while: ${ann.changes}`,
  );
});

test("a deploy is no news", async (t) => {
  const { node, one, two } = await cluster(t, ["--drain=2s"]);
  const ann = page(t, one, "ann");
  const shims = ["bob", "eve", "kim"].map((member) => page(t, two, member));
  const joe = await stock(t, two, "joe");
  await eventually("all are there", () => ann.now === "ann,bob,eve,joe,kim 0");
  ann.changes.length = 0;
  const three = await node();
  for (const { client, options } of shims) client.on("disconnect", () => client.connect(three.url, options));
  joe.socket.io.uri = three.url;
  joe.socket.on("connect", () => joe.socket.emit("subscribe", "x", { presence: true }));
  const [[list]] = await Promise.all([next(joe.socket, "$presence", 20_000), two.stop()]);
  assert.ok(list.members.includes("ann") && list.members.includes("joe"), `${list.members}`);
  await sleep(goneAfter + 1000);
  assert.deepEqual(ann.changes, []);
});
