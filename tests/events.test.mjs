// /events and /poll with the clients that everybody has: curl, and EventSource in
// headless Chromium. They go on where they stood, after the server was restarted
// on its port, and on another node.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { newPage, servePage } from "./browser.mjs";
import { eventually, freePort, redisCli, root, run, start, startRedis, startServer } from "./support.mjs";

const env = { SB_LINGER: "60s" };

/** curl -N, and the lines that it printed. */
function curl(t, ...args) {
  const { child, ended } = start(t, "curl", ["-sN", ...args]);
  const lines = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  const last = () => lines.findLast((line) => line.startsWith("id: "))?.slice(4);
  return {
    lines,
    ended,
    last,
    data: () => lines.filter((line) => /^data: [^{]/.test(line)).map((line) => line.slice(6)),
  };
}

test("curl hears a channel, and goes on after a restart", async (t) => {
  const redis = await startRedis(t);
  await redis.start();
  const flags = [`--listen=127.0.0.1:${await freePort()}`, `--redis=${redis.url}`];
  let server = await startServer(t, flags, env);
  const keep = (data) => redisCli(redis.port, "XADD", "sb:stream", "*", "channel", "feed:a", "data", data);
  let client = curl(t, `${server.url}/events/feed:a`);
  await eventually("the channel is heard", () => client.lines.includes("event: $subscribed"));
  await keep("1");
  await keep("2");
  await eventually("both came", () => client.data().length === 2);
  await server.stop();
  assert.deepEqual(await client.ended, [0, null], "the end of a stream is no fault");

  await keep("3");
  server = await startServer(t, flags, env);
  const position = client.last();
  client = curl(t, "-H", `Last-Event-ID: ${position}`, `${server.url}/events/feed:a`);
  await keep("4");
  await eventually("the rest came", () => client.data().length === 2);
  assert.deepEqual(client.data(), ["3", "4"]);
  assert.ok(!client.lines.includes("event: $gap"));

  const { stdout } = await run("curl", ["-s", `${server.url}/poll/feed:a?since=${position}`]);
  assert.deepEqual(
    JSON.parse(stdout).messages.map(({ data }) => data),
    [3, 4],
  );
});

const page = (urls) => `<!doctype html><title>x</title><script>
  window.got = [];
  window.sources = ${JSON.stringify(urls)}.map(function (url, i) {
    var source = new EventSource(url);
    source.onmessage = function (e) { got.push(i + " " + e.data) };
    ["feed:a", "zimmer/é", "$gap"].forEach(function (name) {
      source.addEventListener(name, function (e) { got.push(i + " " + name + " " + e.data) });
    });
    source.addEventListener("$subscribed", function () { source.heard = (source.heard || 0) + 1 });
    return source;
  });
</script>`;

test("EventSource goes on after a restart on the same port", async (t) => {
  const redis = await startRedis(t);
  await redis.start();
  const flags = [`--listen=127.0.0.1:${await freePort()}`, `--redis=${redis.url}`];
  let server = await startServer(t, flags, env);
  const site = await servePage(t, page([`${server.url}/events/feed:a`, `${server.url}/events/feed:a,zimmer%2F%C3%A9`]));
  const keep = (channel, data) => redisCli(redis.port, "XADD", "sb:stream", "*", "channel", channel, "data", data);
  const tab = await newPage(t);
  const heard = (n) => tab.waitForFunction((n) => window.sources.every((s) => s.heard === n), n);
  const got = async (...want) => {
    await tab.waitForFunction((n) => window.got.length >= n, want.length);
    assert.deepEqual(await tab.evaluate(() => window.got.splice(0).sort()), want.sort());
  };
  await tab.goto(site);
  await heard(1);
  await keep("feed:a", '{"goal": 1}');
  await keep("zimmer/é", "2");
  await got('0 {"goal": 1}', '1 feed:a {"goal": 1}', "1 zimmer/é 2");

  await server.stop("SIGKILL");
  await keep("feed:a", "3");
  await keep("zimmer/é", "4");
  server = await startServer(t, flags, env);
  await heard(2);
  await keep("feed:a", "5");
  await got("0 3", "1 feed:a 3", "1 zimmer/é 4", "0 5", "1 feed:a 5");

  // What nobody keeps is told, after a restart.
  await redisCli(redis.port, "PUBLISH", "sb:feed:a", "6");
  await got("0 6", "1 feed:a 6");
  await server.stop();
  server = await startServer(t, flags, env);
  await heard(3);
  const told = await tab.evaluate(() => window.got.splice(0));
  assert.ok(
    told.some((text) => text.startsWith("0 $gap ")) && told.some((text) => text.startsWith("1 $gap ")),
    `${told}`,
  );
});

test("EventSource goes on at another node", async (t) => {
  const redis = await startRedis(t);
  await redis.start();
  const key = "a cluster key of the tests";
  const node = async (port) =>
    startServer(t, [`--listen=127.0.0.1:${port}`, `--redis=${redis.url}`, `--node-address=http://127.0.0.1:${port}`], {
      ...env,
      SB_CLUSTER_KEY: key,
      SB_DRAIN: "1s",
    });
  const first = await node(await freePort());
  const second = await node(await freePort());
  let target = first.url;
  const balancer = createServer((req, res) => {
    const onward = request(`${target}${req.url}`, { headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(res);
    });
    onward.on("error", () => res.destroy());
    res.on("close", () => onward.destroy());
    onward.end();
  }).listen(0, "127.0.0.1");
  await once(balancer, "listening");
  t.after(() => {
    balancer.closeAllConnections();
    balancer.close();
  });
  const url = `http://127.0.0.1:${balancer.address().port}`;
  const tab = await newPage(t);
  await tab.goto(await servePage(t, page([`${url}/events/feed:a`, `${url}/events/feed:a,zimmer%2F%C3%A9`])));
  const heard = (n) => tab.waitForFunction((n) => window.sources.every((s) => s.heard === n), n);
  await heard(1);
  const publish = (data) => redisCli(redis.port, "PUBLISH", "sb:feed:a", `${data}`);
  let last = 0;
  for (; last < 5; last++) await publish(last);
  target = second.url;
  const stopped = first.stop();
  for (; last < 50; last++) await publish(last);
  await stopped;
  await heard(2);
  await publish(last++);
  await tab.waitForFunction((n) => window.got.length >= 2 * n, last);
  const got = await tab.evaluate(() => window.got);
  for (const prefix of ["0 ", "1 feed:a "])
    assert.deepEqual(
      got.filter((text) => text.startsWith(prefix)),
      Array.from({ length: last }, (_, i) => `${prefix}${i}`),
    );
});

test("the commands of docs/sse.md", async (t) => {
  const text = await readFile(`${root}/docs/sse.md`, "utf8");
  const commands = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block.trim().split("\n"));
  assert.ok(commands.length >= 3);
  const server = await startServer(t, [], env);
  for (const command of commands) {
    const here = command.replaceAll("localhost:8080", new URL(server.url).host).replaceAll("6380", `${server.broker}`);
    if (here.startsWith("curl -N")) {
      const { child } = start(t, "sh", ["-c", `exec ${here}`]);
      const lines = [];
      createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
      await eventually(`${command} hears`, () => lines.includes("event: $subscribed"));
    } else {
      const { stdout } = await run("sh", ["-c", here]);
      assert.notEqual(stdout, "", command);
      assert.ok(!stdout.includes('"error"'), `${command}: ${stdout}`);
    }
  }
});
