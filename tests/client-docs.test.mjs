// docs/client-js.md: each of its snippets is run, in a page or in Node, and
// says what the page says that it does.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { newPage, servePage } from "./browser.mjs";
import { eventually, redisCli, root, start, startRedis, startServer } from "./support.mjs";

const text = await readFile(join(root, "docs/client-js.md"), "utf8");
const snippets = [...text.matchAll(/^```(html|js)\n(.*?)^```/gms)].map(([, language, code]) => ({ language, code }));

const key = "a key of at least 32 bytes, for the tests";
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "alice", exp: Math.floor(Date.now() / 1000) + 3600 })}`;
const jwt = `${body}.${createHmac("sha256", key).update(body).digest("base64url")}`;

/** The page that a snippet is in, and what it says on its console. */
async function show(t, server, { language, code }, scripts = "") {
  const url = server.url.replace("127.0.0.1", "localhost"); // as the page is, for cookies
  const written = code.replaceAll("http://localhost:8080", url);
  const tag = `<script src="${url}/sb.js"></script>${scripts}<script type="module">${written}</script>`;
  const page = await newPage(t);
  const said = [];
  page.on("console", (message) => message.type() === "log" && said.push(message.text()));
  await page.route("**/token", (route) => route.fulfill({ body: jwt }));
  const files = { "/io.js": await readFile(join(root, "node_modules/sio-client-4/dist/socket.io.min.js"), "utf8") };
  const address = await servePage(t, `<!doctype html><title>x</title>${language === "html" ? written : tag}`, files);
  await page.goto(address.replace("127.0.0.1", "localhost"));
  return { page, said, publish: publisher(server) };
}

/** Publishes once somebody listens. */
const publisher = (server) => async (channel, data) => {
  await eventually(`somebody listens to ${channel}`, async () => {
    return /\n1$/.test(await redisCli(server.broker, "PUBSUB", "NUMSUB", `sb:${channel}`));
  });
  await redisCli(server.broker, "PUBLISH", `sb:${channel}`, JSON.stringify(data));
};

const says = (said, want) =>
  eventually(`it says ${want}`, () => said.length >= want.length).then(() => assert.deepEqual(said, want));

/** A snippet in Node, by import or require. */
const inNode = (type) => async (t, snippet) => {
  const server = await startServer(t);
  const code = snippet.code.replaceAll("http://localhost:8080", server.url);
  const { child } = start(t, "node", [`--input-type=${type}`, "-e", code], { cwd: root });
  let said = "";
  child.stdout.on("data", (data) => {
    said += data;
  });
  await publisher(server)("feed", "it arrives");
  await eventually("it arrives", () => said === "it arrives\n");
};

/** A snippet in a page, what is published then, and what it says. */
const inPage =
  (messages, want, scripts = "") =>
  async (t, snippet) => {
    const { said, publish } = await show(t, await startServer(t), snippet, scripts);
    for (const [channel, data] of messages) await publish(channel, data);
    await says(said, want);
  };

/** In the order of the page. */
const checks = {
  "a script tag": inPage([["feed", "it arrives"]], ["it arrives"]),
  "a module": inPage([["feed", "it arrives"]], ["it arrives"]),
  import: inNode("module"),
  require: inNode("commonjs"),
  comet: inPage([["feed:football:fantasy", { goal: 1 }]], ["feed:football:fantasy 1 string"]),
  "a list": inPage(
    [
      ["score:2", "1 : 0"],
      ["score:1", "0 : 0"],
    ],
    ["score:2 1 : 0", "score:1 0 : 0"],
  ),
  stop: inPage(
    [
      ["feed", 1],
      ["feed", 2],
    ],
    ["first 1", "second 1", "second 2"],
  ),

  resume: async (t, snippet) => {
    const server = await startServer(t, [], { SB_LINGER: "60s" });
    const { page, said, publish } = await show(t, server, snippet);
    await publish("feed", 1);
    await says(said, ["1"]);
    const address = page.url();
    await page.goto("about:blank");
    await redisCli(server.broker, "PUBLISH", "sb:feed", "2"); // the server listens on
    await page.goto(address);
    await says(said, ["1", "2"]);
  },

  presence: async (t, snippet) => {
    const { said } = await show(t, await startServer(t), snippet);
    await says(said, ["room:7: 0 members, 1 guests"]);
  },

  "connect and disconnect": async (t, snippet) => {
    const { page, said } = await show(t, await startServer(t), snippet);
    await page.evaluate(() => SB.connect());
    await says(said, ["live"]);
    await page.evaluate(() => SB.close());
    await says(said, ["live", "away: io client disconnect"]);
  },

  gap: async (t, snippet) => {
    const redis = await startRedis(t);
    const server = await startServer(t, [`--redis=${redis.url}`]);
    server.broker = redis.port;
    const { said, publish } = await show(t, server, snippet);
    await publish("feed", 1);
    await says(said, ["1"]);
    await redis.kill();
    await redis.start();
    await eventually("it says so", () => said.length === 2);
    assert.match(said[1], /^load feed again: \w+$/);
  },

  session: async (t, snippet) => {
    const { said } = await show(t, await startServer(t), snippet);
    await eventually("it says so", () => said.length === 1);
    assert.match(said[0], /^guest:[A-Z2-7]{26} string string$/);
  },

  error: inPage([], ["forbidden private:accounts"]),

  connect: async (t, snippet) => {
    const { said } = await show(t, await startServer(t, ["--jwt-key", key]), snippet);
    await says(said, ["alice"]);
  },

  "identify by token": async (t, { language, code }) => {
    const server = await startServer(t, ["--jwt-key", key]);
    const connected = 'await new Promise((resolve) => { SB.on("session", resolve); SB.connect(); });';
    const { said } = await show(t, server, { language, code: connected + code });
    await says(said, ["alice"]);
  },

  "identify by cookie": async (t, { language, code }) => {
    const redis = await startRedis(t);
    await redisCli(redis.port, "SET", "sess:s1", "alice");
    const flags = [`--redis=${redis.url}`, "--session-cookie", "sid", "--session-key", "sess:{}"];
    const server = await startServer(t, flags);
    const connected = `await new Promise((resolve) => { SB.on("session", resolve); SB.connect(); });
      await new Promise((resolve) => { window.go = resolve; });`;
    const { page, said } = await show(t, server, { language, code: connected + code });
    await page.route("**/login", async (route) => {
      await page.context().addCookies([{ name: "sid", value: "s1", domain: "localhost", path: "/" }]);
      await route.fulfill({ status: 204 });
    });
    await page.waitForFunction(() => window.go);
    await page.evaluate(() => window.go());
    await says(said, ["alice"]);
  },

  use: inPage([["feed", "it arrives"]], ["it arrives"], '<script src="/io.js"></script>'),
  close: inPage([["feed", "it arrives"]], ["it arrives"]),
  Client: inPage([["feed", "it arrives"]], ["it arrives"]),
};

test("each snippet has its test", () => assert.equal(snippets.length, Object.keys(checks).length));
for (const [i, [name, check]] of Object.entries(checks).entries()) {
  test(`${name}: ${snippets[i]?.code.trim().split("\n")[0]}`, { timeout: 60_000 }, (t) => check(t, snippets[i]));
}

test("every name of the types is on the page", async () => {
  const types = await readFile(join(root, "client-js/sb.d.ts"), "utf8");
  const [, client] = /export declare class Client \{(.*?)^\}/ms.exec(types);
  const [, options] = /export interface Options \{(.*?)^\}/ms.exec(types);
  const events = [...client.matchAll(/on\(event: "(\w+)"/g)].map((match) => match[1]);
  const methods = [...client.matchAll(/^ {2}(?:readonly )?(\w+)[<(:]/gm)].map((match) => match[1]);
  const names = [...options.matchAll(/^ {2}(\w+)\?:/gm)].map((match) => match[1]);
  assert.ok(events.length >= 5 && methods.length >= 7 && names.length >= 8);
  for (const event of events) assert.ok(text.includes(`| \`${event}\``), `no event ${event}`);
  for (const name of names) assert.ok(text.includes(`\`${name}\``), `no option ${name}`);
  for (const name of new Set(methods)) {
    if (name !== "constructor") assert.ok(text.includes(`SB.${name}`), `no SB.${name}`);
  }
});
