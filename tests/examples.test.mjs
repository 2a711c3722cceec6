// Each example of examples/run, by its one command, in Chromium: the page is
// opened, something is published, and it is seen there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { newPage } from "./browser.mjs";
import { look } from "./look.mjs";
import { binary, eventually, freePort, redisCli, root, run, startRedis } from "./support.mjs";

const tried = [];
const shown = [];
const notShown = [];
after(() =>
  console.log(
    `examples: ${shown.length} shown (${shown.join(", ")}), ${notShown.length} not shown (${notShown.join(", ") || "none"})`,
  ),
);

/** Runs an example, as its one command says, on ports of its own. */
async function example(t, name, extra = {}) {
  const [http, broker, port, redis] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const env = {
    ...process.env,
    PATH: `/usr/bin:${process.env.PATH}`,
    SB_BINARY: binary,
    SB_LISTEN: `127.0.0.1:${http}`,
    SB_BROKER_LISTEN: `127.0.0.1:${broker}`,
    SB_LINGER: "0s",
    SB_DRAIN: "0s",
    PORT: `${port}`,
    REDIS_PORT: `${redis}`,
    ...extra,
  };
  const child = spawn("examples/run", [name], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  let log = "";
  child.stderr.on("data", (text) => {
    log += text;
  });
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
    for (const used of [http, broker, port]) {
      await assert.rejects(fetch(`http://127.0.0.1:${used}`), `${name} left something on port ${used}`);
    }
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /^Open (http:\S+)$/.exec(line) ?? [];
    if (url) return { url, stream: `http://localhost:${http}`, broker, redis };
  }
  assert.fail(`${name} ended: ${log}`);
}

/** One test; what it needs, if there is no such thing here, is named and counted. */
function shows(name, needs, body) {
  tried.push(name);
  test(name, { timeout: 120_000 }, async (t) => {
    const env = { ...process.env, PATH: `/usr/bin:${process.env.PATH}` };
    const missing =
      needs &&
      (await run(needs[0], needs.slice(1), { env }).then(
        () => "",
        (error) => error.message,
      ));
    if (missing) {
      notShown.push(name);
      return t.skip(`not shown: ${missing}`);
    }
    await body(t);
    shown.push(name);
  });
}

/** A page of which nothing is missing. */
async function open(t, url) {
  const page = await newPage(t);
  const failed = [];
  page.on("response", (response) => response.status() >= 400 && failed.push(`${response.status()} ${response.url()}`));
  t.after(() => assert.deepEqual(failed, []));
  await page.goto(url);
  return page;
}

/** The first message of a web server may have to wait for its libraries. */
const soon = (what, ok) => eventually(what, ok, 30_000);

/** Waits until a channel has so many listeners. */
const heard = (port, channel, n) =>
  soon(`${channel} has ${n}`, async () => {
    return (await redisCli(port, "PUBSUB", "NUMSUB", `sb:${channel}`)).endsWith(`\n${n}`);
  });
const live = (page) => page.waitForFunction(() => document.querySelector("#state").textContent.startsWith("live"));
const items = (page) => page.locator("#messages li, .messages li").allTextContents();

// The same page, from web servers in five languages.
const languages = {
  express: ["node", "--version"],
  flask: ["python3", "-c", "import flask, redis"],
  go: ["go", "version"],
  php: ["php", "-r", "new Redis;"],
  sinatra: ["ruby", "-e", 'require "sinatra/base"; require "redis"; require "webrick"'],
};
for (const [name, needs] of Object.entries(languages)) {
  shows(name, needs, async (t) => {
    const { url, stream, broker } = await example(t, name);
    const page = await open(t, url);
    await live(page);
    await heard(broker, "feed:messages", 1);
    for (const text of ["Grüße 😀 <b>&amp;", "x".repeat(200)]) {
      await page.fill("#text", text);
      await page.press("#text", "Enter");
      await soon(`${text} is seen`, async () => (await items(page))[0]?.startsWith(text));
    }
    await soon("what was sent is gone", async () => (await page.inputValue("#text")) === "");
    await look(page, name);
    for (const body of ["", "text=", `text=${"x".repeat(1000)}`]) {
      const headers = { "Content-Type": "application/x-www-form-urlencoded" };
      const answer = await fetch(`${url}publish`, { method: "POST", headers, body });
      assert.equal(answer.status, 400, `${name} took ${body.slice(0, 10)}`);
    }
    assert.equal((await items(page)).length, 2);
    assert.ok((await page.content()).includes(`${stream}/sb.js`));
  });
}

for (const name of ["react", "vue"]) {
  shows(name, null, async (t) => {
    const redis = await startRedis(t);
    const { url } = await example(t, name, { SB_REDIS: redis.url });
    const page = await newPage(t);
    const said = []; // to the server, of channels
    page.on("websocket", (socket) =>
      socket.on("framesent", ({ payload }) => {
        const [, event, tags] = /^42\d*\["(\w+)",(\[.*?\])/.exec(payload) ?? [];
        if (event) said.push(`${event} ${JSON.parse(tags)}`);
      }),
    );
    await page.goto(url);
    await live(page);
    const listeners = (channel, n) => heard(redis.port, channel, n);
    await listeners("feed:red", 1);
    await soon("it was said", () => said.length > 0);
    assert.deepEqual(said, ["subscribe feed:red"], "StrictMode's second mount is no second subscription");
    await page.fill("#text", "hello 😀");
    await page.press("#text", "Enter");
    await soon("it is seen", async () => /^hello 😀 ?feed:red$/.test((await items(page)).join()));

    await page.selectOption("#channel", "feed:blue");
    await listeners("feed:blue", 1);
    await listeners("feed:red", 0);
    await redisCli(redis.port, "PUBLISH", "sb:feed:red", '{"text":"not for us"}');
    await redisCli(redis.port, "PUBLISH", "sb:feed:blue", '{"text":"for us"}');
    await soon("the other channel is seen", async () => (await items(page))[0]?.startsWith("for us"));
    assert.equal((await items(page)).length, 2);
    await look(page, name);

    // What Redis had while it was away is gone, and the component is told.
    const missed = page.getByText("Something may have been missed");
    assert.equal(await missed.count(), 0);
    await redis.kill();
    await redis.start();
    await missed.waitFor();
    await listeners("feed:blue", 1);

    await page.uncheck("#open");
    await listeners("feed:blue", 0);
    assert.equal((await items(page)).length, 0);
    await page.check("#open");
    await listeners("feed:blue", 1);
    await soon("all was said", () => said.length >= 5);
    assert.deepEqual(said, [
      ...["subscribe feed:red", "unsubscribe feed:red", "subscribe feed:blue"],
      ...["unsubscribe feed:blue", "subscribe feed:blue"],
    ]);
  });
}

shows("dashboard", null, async (t) => {
  const { url } = await example(t, "dashboard", { SB_LINGER: "60s" }); // nobody else listens meanwhile
  const page = await open(t, url);
  await live(page);
  const values = () => page.locator(".value").allTextContents();
  await soon("each gauge has a value", async () => (await values()).filter((text) => /\d/.test(text)).length === 5);
  const before = await values();
  await soon("they change", async () => (await values()).filter((text, i) => text !== before[i]).length >= 2);
  await look(page, "dashboard");
  // Twenty a second are kept of each gauge, of which one comes.
  await page.evaluate(() => {
    SB.on("gap", (gap) => {
      document.title = `gap: ${gap.reason}`;
    });
  });
  await page.click("#pause");
  await page.waitForFunction(() => Number.parseInt(document.getElementById("spared").textContent, 10) >= 10);
  assert.equal(await page.title(), "Dashboard");
});

shows("notifications", null, async (t) => {
  const { url } = await example(t, "notifications");
  const [alice, bob] = [await newPage(t), await newPage(t)];
  for (const [page, name] of [
    [alice, "alice"],
    [bob, "bob"],
  ]) {
    await page.goto(url);
    await page.selectOption("#name", name);
    await page.click("#login button");
    await page.getByText(`Live as ${name}.`).waitFor();
  }
  const tell = async (text) => {
    await alice.fill("#text", text);
    await alice.press("#text", "Enter");
    await alice.waitForFunction(() => document.getElementById("text").value === "");
  };
  await tell("are you there? 😀");
  await soon("it is seen", async () => /^alice: are you there. 😀/.test((await items(bob)).join()));
  assert.deepEqual(await items(alice), []);
  await look(bob, "notifications");

  // Nobody else can listen to it.
  await bob.evaluate(() => {
    SB.on("error", ({ code, channel }) => {
      document.title = `${code} ${channel}`;
    });
    SB.comet("member:alice", () => {});
  });
  await bob.waitForFunction(() => document.title === "forbidden member:alice");

  await bob.goto("about:blank");
  await tell("you were away");
  await bob.goto(url);
  await bob.getByText("Live as bob.").waitFor();
  await tell("welcome back");
  await soon("all is seen", async () => (await items(bob)).length === 3);
  assert.match((await items(bob)).join("|"), /welcome back.*\|.*you were away.*\|.*are you there/);

  await bob.click("#logout");
  await bob.getByText("Nobody is logged in.").waitFor();
  assert.equal((await fetch(`${url}token`, { method: "POST" })).status, 401);
});

// What other tests know better; here they are seen to start by one command.

shows("scoreboard", null, async (t) => {
  const { url } = await example(t, "scoreboard");
  const page = await open(t, url);
  await live(page);
  const minute = () => page.textContent("#match-1 td");
  const before = await minute();
  await soon("the minute changes", async () => (await minute()) !== before);
  await look(page, "scoreboard");
});

shows("chat", null, async (t) => {
  const { url } = await example(t, "chat");
  const page = await open(t, url);
  await page.fill("#name", "one");
  await page.click("#join button");
  await page.fill("#text", "hello");
  await page.click("#say button");
  await page.getByText("one: hello").waitFor();
  await look(page, "chat");
});

shows("members", ["redis-server", "--version"], async (t) => {
  const { url, redis } = await example(t, "members");
  const page = await open(t, url);
  await page.click("#login button");
  await soon("she is known", async () => (await page.textContent("#who")) === "alice");
  await heard(redis, "private:members", 1);
  await page.click("text=Tell members");
  await page.waitForSelector("#lines li:has-text('private:members hello')");
  await look(page, "members");
});

test("each is listed, and nothing else can be run", async () => {
  const { stderr } = await run(join(root, "examples/run"), ["--help"]).catch((error) => error);
  const names = /run (.*)/.exec(stderr)[1].split("|");
  assert.deepEqual(tried.toSorted(), names);
  const readme = await readFile(join(root, "examples/README.md"), "utf8");
  assert.deepEqual([...readme.matchAll(/`examples\/run ([a-z]+)`/g)].map((match) => match[1]).toSorted(), names);
});
