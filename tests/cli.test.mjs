// The command: what it prints, how it ends, and its two other ends of the line.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { binary, eventually, freePort, redisCli, run, start, startRedis, startServer } from "./support.mjs";

/** Runs the command to its end. */
async function command(args, env = {}) {
  try {
    const { stdout, stderr } = await run(binary, args, { env: { ...process.env, ...env }, timeout: 10_000 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    assert.notEqual(error.code, null, `${args} did not end: ${error.stderr}`);
    return error;
  }
}

test("it starts within a second, and ends when it is told to", async (t) => {
  const began = Date.now();
  const server = await startServer(t);
  const took = Date.now() - began;
  assert.ok(took < 1000, `it took ${took} ms`);

  assert.match(server.page, /^http:\/\/localhost:\d+\/#key=\w+$/);
  const broker = `127\\.0\\.0\\.1:${server.broker}`;
  const publish = new RegExp(`stream-server publish --broker-listen ${broker} feed:football:fantasy '{"goal":1}'$`);
  assert.ok(server.printed.some((line) => publish.test(line)));
  const cli = `redis-cli -h 127.0.0.1 -p ${server.broker} PUBLISH sb:feed:football:fantasy '{"goal":1}'`;
  assert.ok(server.printed.some((line) => line.trim() === cli));

  assert.equal(await server.stop("SIGTERM"), 0);
  assert.equal(await (await startServer(t)).stop("SIGINT"), 0);
});

test("publish and subscribe are the two ends of the line", async (t) => {
  const server = await startServer(t);
  const listener = start(t, binary, ["subscribe", "--url", server.url, "feed:football:fantasy", "zimmer/é"]);
  const lines = [];
  createInterface({ input: listener.child.stdout }).on("line", (line) => lines.push(line));
  await eventually("it listens", async () => {
    return (await (await fetch(`${server.url}/api/stats`)).json()).channels === 2;
  });
  const to = ["--broker-listen", `127.0.0.1:${server.broker}`];
  assert.equal((await command(["publish", ...to, "feed:football:fantasy", '{"goal":1}'])).stdout, "1\n");
  assert.equal((await command(["publish", ...to, "zimmer/é", "kein JSON"])).stdout, "1\n");
  assert.equal((await command(["publish", ...to, "nobody", "1"])).stdout, "0\n");
  await eventually("both have come", () => lines.length === 2);
  assert.deepEqual(lines, ['feed:football:fantasy {"goal":1}', 'zimmer/é "kein JSON"']);
  assert.equal(await listener.stop("SIGINT"), 0);
});

test("bench puts a server under load, and counts what is lost", async (t) => {
  const server = await startServer(t, ["--publish-key", "key"]);
  const to = ["--broker-listen", `127.0.0.1:${server.broker}`];
  for (const [name, ...args] of [
    ["as much as goes through", ...to, "--under", "4"],
    ["at a rate, to clients of version 3", ...to, "--rate", "2000", "--protocol", "3", "--channels", "5"],
    ["by HTTP", "--publish-key", "key", "--rate", "2000"],
  ]) {
    const { code, stdout, stderr } = await command([
      "bench",
      server.url,
      "--clients",
      "20",
      "--duration",
      "300ms",
      ...args,
    ]);
    assert.equal(code, 0, `${name}: ${stderr}`);
    assert.match(stdout, /^20 clients on \d channels? connected in .*: \d+ a second\n/, name);
    assert.match(stdout, /\n\d+ published, [1-9]\d+ delivered in .*\nlatency: p50 .*, max [\d.]+ ms\n/, name);
    assert.match(stdout, /\n0 lost, 0 doubled, 0 out of order, 0 of other channels, 0 clients closed\n$/, name);
  }

  const endless = start(t, binary, ["bench", server.url, ...to, "--duration", "1h"]);
  await once(endless.child.stdout, "data"); // they are connected
  assert.equal(await endless.stop("SIGINT"), 0);

  const lost = start(t, binary, ["bench", server.url, ...to, "--duration", "1h", "--patience", "200ms"]);
  await once(lost.child.stdout, "data");
  const ended = once(lost.child, "exit"); // listened for now: it may end before the server has
  await server.stop("SIGTERM");
  assert.equal((await ended)[0], 1);
});

test("wrong usage is 2, a fault is 1, and each is one line", async (t) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  t.after(() => taken.close());
  const busy = `127.0.0.1:${taken.address().port}`;
  const nobody = `127.0.0.1:${await freePort()}`;
  const free = ["--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"];
  for (const [args, code, says] of [
    [["--no-such-flag"], 2, /no-such-flag/],
    [["--ping-interval", "soon"], 2, /ping-interval/],
    [["--max-message", "10 apples"], 2, /max-message/],
    [[...free, "--origins", "example.org"], 2, /origin/],
    [["--redis", "mysql://localhost"], 2, /redis:\/\//],
    [["--redis", "redis-sentinel://localhost"], 2, /mymaster/],
    [["--redis", "redis-cluster://localhost/1"], 2, /database 0/],
    [["--listen", "127.0.0.1:0", "--redis", `redis-cluster://${nobody}`], 1, new RegExp(`${nobody}.*refused`)],
    [[...free, "--path", "socket.io"], 2, /path/],
    [["--listen", "127.0.0.1:0", "--broker-listen", "0.0.0.0:0"], 2, /password/],
    [["publish", "a,b", "1"], 2, /comma/],
    [["publish", "one"], 2, /data/],
    [["--listen", busy], 1, /address already in use/],
    [["--listen", "127.0.0.1:0", "--broker-listen", busy], 1, /address already in use/],
    [["--listen", "127.0.0.1:0", "--redis", `redis://${nobody}`], 1, new RegExp(`${nobody}.*refused`)],
    [["publish", "--redis", `redis://${nobody}`, "x", "1"], 1, /refused/],
    [["subscribe", "--url", `http://${nobody}`, "x"], 1, /refused/],
    [["bench", "localhost"], 2, /no address/],
    [["bench", `http://${nobody}`, "--under", "0"], 2, /--under/],
    [["bench", `http://${nobody}`, "--channels", "101"], 2, /channels/],
    [["bench", `http://${nobody}`, "--broker-listen", nobody], 1, /publisher.*refused/],
    [["bench", `http://${nobody}`, "--publish-key", "key"], 1, /client 1 of 100.*refused/],
  ]) {
    const ended = await command(args);
    assert.equal(ended.code, code, `${args}: ${ended.stderr}`);
    assert.match(ended.stderr, says, `${args}`);
    assert.equal(ended.stderr.trim().split("\n").length, 1, `${args}: ${ended.stderr}`);
  }
});

test("a flag has its variable, and a secret is not printed", async (t) => {
  const port = await freePort();
  const redis = await startRedis(t, ["--requirepass", "hunter2"]);
  const server = await startServer(t, [], {
    SB_REDIS: redis.url.replace("//", "//:hunter2@"),
    SB_PUBLISH_KEY: "planted-key",
    SB_LISTEN: `127.0.0.1:${port}`,
  });
  assert.equal(server.broker, redis.port);
  assert.equal(await server.stop(), 0);
  for (const secret of ["hunter2", "planted-key"]) {
    assert.ok(!(server.printed.join("\n") + server.log.join("\n")).includes(secret), `${secret} was printed`);
  }
});

test("secrets come from files too, several of them to a line each", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "secrets-"));
  t.after(() => rm(dir, { recursive: true }));
  const file = async (name, text) => {
    await writeFile(join(dir, name), text);
    return join(dir, name);
  };
  const redis = await startRedis(t, ["--requirepass", "planted-password"]);
  // The password alone stands where a user may stand, as redis-cli -u has it.
  const url = await file("redis", `${redis.url.replace("//", "//planted-password@")}\n`);
  const server = await startServer(
    t,
    [
      ["--publish-key-file", await file("publish", "planted-new\nplanted-old\n")],
      ["--operator-key-file", await file("operator", "planted-operator\n")],
      ["--jwt-key-file", await file("jwt", "planted-key-of-tokens\n")],
      ["--guest-key-file", await file("guest", "planted-key-of-guests\n")],
    ].flat(),
    { SB_REDIS_FILE: url },
  );
  const ask = (path, key, body) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    return fetch(server.url + path, { method: body ? "POST" : "GET", body, headers });
  };
  for (const [path, key, status] of [
    ["/api/publish", "planted-new", 200],
    ["/api/publish", "planted-old", 200],
    ["/api/publish", "planted-new planted-old", 401],
    ["/api/stats", "planted-operator", 200],
    ["/api/stats", "planted-new", 401],
  ]) {
    const body = path === "/api/publish" ? '{"channel":"x","data":1}' : undefined;
    assert.equal((await ask(path, key, body)).status, status, `${path} with ${key}`);
  }
  const published = await command(["publish", "--redis-file", url, "x", "1"]);
  assert.equal(published.stdout, "0\n");
  assert.equal(await server.stop(), 0);
  assert.ok(!server.printed.join("\n").includes("planted"), server.printed.join("\n"));

  for (const [args, says] of [
    [["--guest-key-file", join(dir, "none")], /--guest-key-file: .*none: no such file/],
    [["--broker-password-file", await file("empty", "\n")], /--broker-password-file: .*empty is empty/],
    [["--publish-key", "planted", "--publish-key-file", join(dir, "publish")], /are both set/],
  ]) {
    const ended = await command(args);
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, says);
    assert.ok(!ended.stderr.includes("planted"), ended.stderr);
  }
});

test("an empty prefix is said once, and takes bare names", async (t) => {
  const server = await startServer(t, ["--redis-prefix="]);
  assert.equal(server.log.filter((line) => line.includes("no Redis prefix")).length, 1);
  const listener = start(t, binary, ["subscribe", "--url", server.url, "feed:football:fantasy"]);
  const arrived = once(createInterface({ input: listener.child.stdout }), "line");
  await eventually("it arrives", async () => {
    return (await redisCli(server.broker, "PUBLISH", "feed:football:fantasy", '{"goal":1}')) === "1";
  });
  assert.deepEqual(await arrived, [`{"goal":1}`]);
});

test("why tells what became of a message, and why somebody did not get it", async (t) => {
  const server = await startServer(t);
  const listener = start(t, binary, ["subscribe", "--url", server.url, "score"]);
  await eventually("it listens", async () => {
    return (await (await fetch(`${server.url}/api/stats`)).json()).channels === 1;
  });
  await redisCli(server.broker, "PUBLISH", "sb:score", "12");
  const why = ["why", "--url", server.url, "score"];
  const first = await command(why);
  assert.match(
    first.stdout,
    /^score on node \w+: 1 hear it, and nothing is missed\n {2}[\d:.]+ PUBLISH, 2 B, to 1: 1 written\n/,
  );
  const unknown = await command([...why, "m7"]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no node knows of it/);
  const json = JSON.parse((await command([...why, "--json"])).stdout);
  assert.equal(json.on[0].messages[0].written, 1);
  assert.equal((await command(["why", "--url", server.url, "$no"])).code, 2);
  assert.equal(await listener.stop("SIGINT"), 0);
});
