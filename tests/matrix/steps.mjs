// The steps of the matrix, which every version takes on every transport.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../support.mjs";
import { connect } from "./clients.mjs";

const limit = 10_000;
const uninvited = 300; // ms in which a client may not come back

const unicode = "é € 日本 😀 \u2028 \u2029 ÿ Ã©-free";
// From the pool that small buffers share, as an application's are.
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

/** What `start` makes the client hear next as this event. */
function heard(client, event, start, ms = limit) {
  return new Promise((resolve, reject) => {
    const done = (...args) => {
      clearTimeout(timer);
      client.off(event, done);
      resolve(args);
    };
    const timer = setTimeout(() => {
      client.off(event, done);
      reject(new Error(`no ${event} within ${ms} ms`));
    }, ms);
    client.on(event, done);
    start?.();
  });
}

/** The arguments of the ack of an event. */
function request(client, ...args) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ack of ${args[0]} within ${limit} ms`)), limit);
    client.emit(...args, (...answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

const subscribe = async ({ client, channel }) =>
  assert.deepEqual(await request(client, "subscribe", channel), [{ ok: true }]);

const connected = async ({ client }) => {
  if (!client.connected) await heard(client, "connect");
};

const settled = ({ client }) =>
  eventually(`the transport is ${client.wanted}`, () => client.transportName() === client.wanted, limit);

/** Asks to be cut off and asserts what the client says about it. */
async function cutOff({ client, row }, how) {
  const [reason] = await heard(client, "disconnect", () => (how === "close" ? client.close() : client.emit(how)));
  const want = row.Client.reasons[how];
  assert.equal(reason, want, `it reports ${reason}, not ${want}`);
}

/** Asserts that nobody reconnects a client for a while. */
async function stays({ client }) {
  let back = false;
  const noticed = () => {
    back = true;
  };
  client.on("connect", noticed);
  await sleep(uninvited);
  client.off("connect", noticed);
  assert.ok(!back && !client.connected, `it came back by itself within ${uninvited} ms`);
}

function assertBytes(got) {
  assert.ok(got instanceof Uint8Array || got instanceof ArrayBuffer, `${typeof got} where bytes were wanted`);
  assert.deepEqual(Buffer.from(got), bytes);
}

/** In order; those with `binary` are not for clients without it. */
export const steps = [
  { name: "connect", run: connected },
  { name: "transport", run: settled },
  { name: "subscribe with ack", run: subscribe },
  {
    name: "receive JSON",
    async run({ client }) {
      assert.deepEqual(await heard(client, "given", () => client.emit("give", "json")), [
        { a: 1, b: [true, null], c: "x" },
      ]);
    },
  },
  {
    name: "receive unicode",
    async run({ client }) {
      assert.deepEqual(await heard(client, "given", () => client.emit("give", "unicode")), [unicode]);
    },
  },
  {
    name: "receive binary",
    binary: true,
    async run({ client }) {
      const [got] = await heard(client, "given", () => client.emit("give", "binary"));
      assertBytes(got);
    },
  },
  {
    name: "echo unicode",
    async run({ client }) {
      const args = [unicode, { [unicode]: [unicode, 1] }];
      assert.deepEqual(await heard(client, "echo-back", () => client.emit("echo", ...args)), args);
    },
  },
  {
    name: "send binary with ack",
    binary: true,
    async run({ client }) {
      const [length, got] = await request(client, "binary", bytes);
      assert.equal(length, bytes.length);
      assertBytes(got);
    },
  },
  {
    name: "broadcast",
    async run({ client, channel }) {
      const sent = { n: 1, text: "to all" };
      assert.deepEqual(await heard(client, channel, () => client.emit("publish", channel, sent)), [sent]);
    },
  },
  {
    name: "broadcast of 150 KB",
    async run({ client, channel }) {
      const [got] = await heard(client, channel, () => client.emit("publish-large", channel));
      assert.ok(got === "x".repeat(150 * 1024), `${got?.length} characters came`);
    },
  },
  {
    name: "dropped, back by itself",
    async run(ctx) {
      await cutOff(ctx, "drop");
      await connected(ctx);
      await subscribe(ctx);
    },
  },
  {
    name: "kicked, stays away",
    async run(ctx) {
      await cutOff(ctx, "kick");
      await stays(ctx);
    },
  },
  {
    name: "reconnect by hand",
    async run(ctx) {
      if (ctx.client.connected) ctx.client.close(); // it should not be, as the step before says
      await heard(ctx.client, "connect", () => ctx.client.reconnect());
      await subscribe(ctx);
    },
  },
  {
    name: "close",
    async run(ctx) {
      await cutOff(ctx, "close");
      await stays(ctx);
    },
  },
];

/** The steps that a row of `versions` takes. */
export const stepsOf = (row) => steps.filter((step) => row.binary || !step.binary);

// A step is not to pay for a connection that the one before has cost: the client
// may come back first. Its channel is lost, as an application's would be.
async function recover({ client }) {
  if (!client.connected) await heard(client, "connect", undefined, 3000);
}

/**
 * Takes all steps but those that the client's own bugs cost it. The answer are
 * the steps that were not passed: `{ step, error, own }` each.
 */
export async function walk(row, url, kind) {
  const ctx = { row, client: connect(row, url, kind), channel: `matrix:${randomUUID()}` };
  const missed = [];
  for (const { name, run } of stepsOf(row)) {
    if (name in row.lost) {
      missed.push({ step: name, error: row.lost[name], own: true });
      continue;
    }
    try {
      if (missed[0]?.step === "connect") throw new Error("never connected");
      await guarded(async () => {
        if (name !== "connect" && name !== "reconnect by hand") await recover(ctx);
        await run(ctx);
      });
    } catch (error) {
      missed.push({ step: name, error: brief(error), own: false });
    }
  }
  ctx.client.end();
  return missed;
}

// The message in one line of the table.
const brief = (error) => String(error.message).replace(/\s+/g, " ").slice(0, 200);

// What a client throws out of a callback fails the step, and so does time.
async function guarded(run) {
  let fail;
  const failure = new Promise((_, reject) => {
    fail = reject;
  });
  const timer = setTimeout(fail, limit, new Error(`not done within ${limit} ms`));
  const thrown = (error) => fail(new Error(`thrown by the client: ${error?.message ?? error}`));
  process.on("uncaughtException", thrown);
  await Promise.race([run(), failure]).finally(() => {
    clearTimeout(timer);
    process.off("uncaughtException", thrown);
  });
}

/**
 * Kicks 50 clients, every other one as soon as it is connected, in the midst of
 * its upgrade, and the others when their transport has settled. The answer are
 * the errors of those that did not hear of it or did not stay away.
 */
export async function kickAll(row, url, kind) {
  const kick = async (_, i) => {
    const ctx = { row, client: connect(row, url, kind) };
    try {
      await connected(ctx);
      if (i % 2) await settled(ctx);
      await cutOff(ctx, "kick");
      await stays(ctx);
    } finally {
      ctx.client.end();
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, kick));
  return outcomes.flatMap(({ reason }) => (reason ? [brief(reason)] : []));
}
