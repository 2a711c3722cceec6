// Durable messages: the examples of all languages publish them, and what was
// accepted is there after the server, or Redis, was killed.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Redis } from "ioredis";
import { binary, call, eventually, root, run, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const io = require("sio-client-4");
const channel = "feed:football:fantasy";

/** Who hears the channel: the data in heard, the position of the last in at. */
async function listener(t, server, since) {
  const socket = io(server.url, { forceNew: true });
  t.after(() => socket.close());
  const ears = { heard: [], at: "", recovered: false, socket };
  socket.on(channel, (data, position) => {
    ears.heard.push(data);
    ears.at = position;
  });
  const answer = await call(socket, "subscribe", channel, ...(since ? [{ since }] : []));
  assert.equal(answer.ok, true);
  ears.recovered = answer.channels[channel].recovered;
  return ears;
}

test("the examples publish durable messages, and another node has them", async (t) => {
  const redis = await startRedis(t);
  const flags = [`--redis=${redis.url}`, "--stream-partitions=4"];
  const server = await startServer(t, flags);
  const first = await listener(t, server);
  const readme = await readFile(join(root, "examples/README.md"), "utf8");
  const lines = [...readme.matchAll(/`([^`]* \S*publish-[^`]*)`/g)].map((match) => match[1]);
  assert.equal(lines.length, 5);
  const env = { ...process.env, SB_REDIS: redis.url, SB_STREAM_PARTITIONS: "4", PATH: `/usr/bin:${process.env.PATH}` };
  let position = "";
  for (const line of lines) {
    await run("sh", ["-c", `${line} durable`], { cwd: root, env });
    await eventually(`${line} is heard`, () => first.heard.length > 0);
    assert.deepEqual(first.heard.splice(0), [{ goal: 1 }], line);
    position ||= first.at;
  }
  const { stdout } = await run(binary, ["publish", ...flags, "--durable", channel, '{"goal":2}']);
  assert.match(stdout, /^\d+-\d+\n$/);
  await server.stop("SIGKILL");
  const second = await listener(t, await startServer(t, flags), position);
  assert.equal(second.recovered, true);
  await eventually("all have come", () => second.heard.length >= lines.length);
  assert.deepEqual(second.heard, [...Array(lines.length - 1).fill({ goal: 1 }), { goal: 2 }]);
});

test("the embedded broker has what it accepted, after kill -9", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "broker-"));
  t.after(() => rm(dir, { recursive: true }));
  const accepted = [];
  let server = await startServer(t, ["--broker-dir", dir]);
  const first = await listener(t, server);
  for (let round = 0; round < 4; round++) {
    const redis = new Redis(server.broker, { retryStrategy: () => null });
    redis.on("error", () => {});
    let n = 0;
    const add = async () => {
      for (;;) {
        const data = `${round}-${n++}`;
        try {
          accepted.push([await redis.xadd("sb:stream", "*", "channel", channel, "data", `"${data}"`), data]);
        } catch {
          return; // the server is dead
        }
      }
    };
    const publishers = [...Array(8).keys()].map(add);
    const before = accepted.length;
    await eventually("many are accepted", () => accepted.length > before + 100);
    await server.stop("SIGKILL");
    await Promise.all(publishers);
    redis.disconnect();
    server = await startServer(t, ["--broker-dir", dir]);
  }
  const redis = new Redis(server.broker);
  t.after(() => redis.disconnect());
  const kept = [];
  for (let from = "-"; ; ) {
    const page = await redis.xrange("sb:stream", from, "+", "COUNT", 1000);
    kept.push(...page.map(([id, fields]) => [id, JSON.parse(fields[3])]));
    if (page.length < 1000) break;
    const [ms, seq] = page.at(-1)[0].split("-");
    from = `${ms}-${Number(seq) + 1}`;
  }
  const ids = new Map(kept);
  assert.equal(ids.size, kept.length);
  assert.deepEqual(
    accepted.filter(([id, data]) => ids.get(id) !== data),
    [],
  );
  t.diagnostic(`${accepted.length} accepted, ${kept.length} kept`);
  // Who heard the first comes back, and gets all the others, in order.
  const start = kept.findIndex(([, data]) => data === first.heard.at(-1));
  const second = await listener(t, server, first.at);
  assert.equal(second.recovered, true);
  await eventually("all have come", () => second.heard.length >= kept.length - start - 1);
  assert.deepEqual(
    [...first.heard, ...second.heard],
    kept.map(([, data]) => data),
  );

  await server.stop();
  await writeFile(join(dir, "stream.db"), "no database at all".repeat(1000));
  await assert.rejects(
    run(binary, ["--broker-dir", dir, "--listen=127.0.0.1:0", "--broker-listen=127.0.0.1:0"]),
    (error) => {
      assert.equal(error.code, 1);
      assert.match(error.stderr, /stream\.db is damaged/);
      return true;
    },
  );
  await assert.rejects(run(binary, ["--broker-dir", dir, "--redis=redis://127.0.0.1:1"]), (error) => error.code === 2);
});
