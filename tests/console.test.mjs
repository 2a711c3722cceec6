// The console in headless Chromium: with an operator key, with real clients, and
// with 100,000 sessions in memory. SB_SCREENSHOTS=docs takes the pictures anew.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { newPage } from "./browser.mjs";
import { call, eventually, next, root, run, start, startServer } from "./support.mjs";

const io = createRequire(import.meta.url)("sio-client-4");
const operator = "the operator's";
const jwtKey = "0123456789abcdef";

function token(sub) {
  const b64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${b64({ alg: "HS256" })}.${b64({ sub, exp: Math.floor(Date.now() / 1000) + 600 })}`;
  return `${body}.${createHmac("sha256", jwtKey).update(body).digest("base64url")}`;
}

/** A page of the console, which fails the test if its policy stops anything. */
async function open(t, url, options) {
  const page = await newPage(t, options);
  const refused = [];
  page.on("console", (message) => /Content Security Policy/.test(message.text()) && refused.push(message.text()));
  t.after(() => assert.deepEqual(refused, []));
  await page.goto(url);
  return page;
}

async function member(t, server, name, ...channels) {
  const socket = io(server.url, { forceNew: true, auth: { token: token(name) }, reconnection: false });
  t.after(() => socket.close());
  const [session] = await next(socket, "$session");
  for (const channel of channels) assert.ok((await call(socket, "subscribe", channel)).ok);
  return { socket, id: session.id };
}

const startLocked = (t) =>
  startServer(t, [`--operator-key=${operator}`, "--publish-key=publish", `--jwt-key=${jwtKey}`]);

async function unlock(page, key = operator) {
  await page.getByLabel("Operator key", { exact: true }).and(page.locator("input")).fill(key);
  await page.getByRole("button", { name: "Show" }).click();
}

async function find(page, what) {
  await page.locator("#query").fill(what);
  await page.locator("#query").press("Enter");
}

test("the console takes the operator key, and keeps it for the tab", async (t) => {
  const server = await startLocked(t);
  const page = await open(t, server.url);
  await page.getByText("this takes the operator key").waitFor();
  assert.equal(await page.locator("#now").isVisible(), false);
  await page.getByText("connected", { exact: true }).waitFor(); // what needs no key goes on
  await unlock(page, "wrong");
  await page.getByText("this takes the operator key").waitFor();
  await unlock(page);
  await page.locator("#sessions", { hasText: /^1$/ }).waitFor();
  assert.ok(
    !(await page.evaluate(() => JSON.stringify(localStorage))).includes(operator),
    "the key is kept for longer",
  );
  await page.reload();
  await page.locator("#sessions", { hasText: /^1$/ }).waitFor();
  assert.ok(!page.url().includes(operator));
});

test("find, watch, publish, why, unsubscribe and disconnect", async (t) => {
  const server = await startLocked(t);
  const ada = await member(t, server, "ada", "room:a", "room:b");
  const bob = await member(t, server, "bob", "room:b");
  const page = await open(t, server.url);
  await unlock(page);
  await page.locator("#sessions", { hasText: /^3$/ }).waitFor();
  await page.locator("#heard").getByText("room:b").waitFor();

  await find(page, "room:");
  const list = page.getByRole("article", { name: "Channels that begin with room:" });
  await list.getByText("2 sessions").waitFor();
  await list.getByRole("button", { name: "room:b" }).click();
  const channel = page.getByRole("article", { name: "Channel room:b" });
  await channel.getByText(ada.id).waitFor();
  await channel.getByText(bob.id).waitFor();

  await channel.getByRole("button", { name: "Watch live" }).click();
  await page.getByRole("button", { name: "Stop listening to room:b" }).waitFor();
  await channel.getByRole("button", { name: "Publish to it" }).click();
  await page.locator("#data").fill('{"from":"the console"}');
  await page.locator("#key").fill("publish");
  await eventually("the page listens", async () => {
    await page.locator("#publish").getByRole("button", { name: "Publish" }).click();
    await page.locator("#outcome", { hasText: "reached" }).waitFor();
    return (await page.locator("#outcome").textContent()) === "reached 3 sessions";
  });
  await page.locator("#messages").getByText('{ "from": "the console" }').first().waitFor();
  await page
    .locator("#messages")
    .getByText(/back after [\d.]+ ms/)
    .first()
    .waitFor();

  await channel.getByRole("button", { name: "Look again" }).click();
  await channel.getByText("3: 3 written").first().waitFor();
  await channel.getByRole("textbox", { name: "Why did they not get it?" }).fill("ada");
  await channel.getByRole("button", { name: "Why?", exact: true }).click();
  await channel
    .getByText(`✓ ${ada.id.slice(0, 6)}: got it`)
    .first()
    .waitFor();
  await channel.getByRole("textbox", { name: "Why did they not get it?" }).fill("nobody");
  await channel.getByRole("button", { name: "Why?", exact: true }).click();
  await channel.getByText("No node knows of it.").waitFor();

  const dialog = page.getByRole("dialog");
  const expired = next(ada.socket, "$expired");
  await channel.getByRole("button", { name: `Unsubscribe session ${ada.id.slice(0, 6)}` }).click();
  await dialog.getByRole("button", { name: "Unsubscribe" }).click();
  assert.equal((await expired)[0].channel, "room:b");
  await page.getByText("Done: 1 session.").waitFor();
  await channel.getByRole("cell", { name: ada.id }).waitFor({ state: "detached" });
  await channel.getByRole("cell", { name: bob.id }).waitFor();

  await find(page, "bob");
  const who = page.getByRole("article", { name: "Member bob" });
  await who.getByRole("button", { name: "Disconnect all sessions" }).click();
  await page.keyboard.press("Enter"); // the focus is where nothing happens
  await dialog.waitFor({ state: "hidden" });
  assert.ok(bob.socket.connected);
  const ended = next(bob.socket, "disconnect");
  await who.getByRole("button", { name: `Disconnect session ${bob.id.slice(0, 6)}` }).click();
  await dialog.getByRole("button", { name: "Disconnect" }).click();
  assert.deepEqual((await ended)[0], "io server disconnect");
  await page.getByText("No node knows a channel, member or session “bob”.").waitFor();
  await page.locator("#sessions", { hasText: /^2$/ }).waitFor();
  await page.locator("#ended li").first().waitFor();

  await find(page, ada.id);
  const session = page.getByRole("article", { name: `Session ${ada.id}` });
  await session.getByRole("button", { name: "ada" }).click();
  await page.getByRole("article", { name: "Member ada" }).getByText("room:a").waitFor();
});

test("there is no console with --no-console", async (t) => {
  const server = await startServer(t, ["--no-console"]);
  assert.ok(!server.printed.some((line) => line.includes("Open the page")), `it printed ${server.printed.join("\n")}`);
  for (const [path, status] of Object.entries({
    "/": 404,
    "/console/page.js": 404,
    "/api/console": 404,
    "/sb.js": 200,
  })) {
    assert.equal((await fetch(server.url + path)).status, status, path);
  }
});

test("the calls of docs/console.md", async (t) => {
  const server = await startServer(t, [`--jwt-key=${jwtKey}`]);
  const { id } = await member(t, server, "ada", "feed:football:fantasy");
  const text = await readFile(join(root, "docs/console.md"), "utf8");
  const lines = /^```sh\n(.*?)^```/ms.exec(text)[1].trim().split("\n");
  assert.equal(lines.length, 4);
  for (const line of lines) {
    const written = line.replace("localhost:8080", new URL(server.url).host).replace("ID", id);
    const { stdout } = await run("sh", ["-c", written]);
    const answer = JSON.parse(stdout);
    assert.ok(answer.on ?? answer.sessions ?? answer.session, `${line}: ${stdout}`);
  }
});

test("the console asks once a second, and only while it is seen", async (t) => {
  const server = await startServer(t);
  const page = await open(t, server.url);
  let asked = 0;
  page.on("request", (request) => {
    if (request.url().includes("/api/console")) asked++;
  });
  await page.waitForTimeout(4000);
  assert.ok(asked >= 2 && asked <= 5, `it asked ${asked} times in 4 s`);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForTimeout(200);
  asked = 0;
  await page.waitForTimeout(2500);
  assert.equal(asked, 0);
});

/** The least contrast of text on the page, by WCAG 2, and where it is. */
function leastContrast() {
  const rgb = (color) => {
    const [r, g, b, alpha = 1] = color.match(/[\d.]+/g).map(Number);
    return color.startsWith("color(") ? [255 * r, 255 * g, 255 * b, alpha] : [r, g, b, alpha];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(rgb(getComputedStyle(e).backgroundColor));
    for (const bar of element.parentElement.querySelectorAll(":scope > .bar")) {
      layers.push(rgb(getComputedStyle(bar).backgroundColor));
    }
    return layers.reduce(
      ([r, g, b], [x, y, z, a]) => [r + (x - r) * a, g + (y - g) * a, b + (z - b) * a],
      [255, 255, 255],
    );
  };
  let least = { ratio: 21, text: "" };
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(".away")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least.ratio) least = { ratio, text: e.textContent.trim().slice(0, 40) };
  }
  return least;
}

/** The server of the Go tests, with sessions that have no sockets. */
async function startGrown(t, sessions) {
  const dir = await mkdtemp(join(tmpdir(), "grown-"));
  t.after(() => rm(dir, { recursive: true }));
  await run("go", ["test", "-c", "-o", join(dir, "server.test"), "./server"], { cwd: root });
  const env = { ...process.env, STREAM_SERVE_GROWN: `${sessions}` };
  const { child } = start(t, join(dir, "server.test"), [], { env, stdio: ["pipe", "pipe", "inherit"] });
  const [url] = await once(createInterface({ input: child.stdout }), "line");
  return url;
}

const looks = {
  light: { viewport: { width: 1280, height: 900 } },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1, hasTouch: true, reducedMotion: "reduce" },
};

test("100,000 sessions, in the light and in the dark, on a desk and in a hand", async (t) => {
  const url = await startGrown(t, 100_000);
  const began = Date.now();
  const answer = await (await fetch(`${url}/api/console`)).text();
  assert.ok(Date.now() - began < 5000, "the first answer took more than 5 s");
  assert.ok(answer.length < 8192, `the answer has ${answer.length} bytes`);
  for (const [name, options] of Object.entries(looks)) {
    await t.test(name, async (t) => {
      const page = await open(t, `${url}/#key=publish`, options);
      await page.locator("#sessions", { hasText: /^100,00\d$/ }).waitFor();
      await page
        .locator("#heard")
        .getByText(/^33,33\d$/)
        .waitFor();
      await page.locator("#busy li").nth(9).waitFor();
      await page.locator("#latency", { hasText: "ms" }).waitFor();
      await find(page, "user#9999");
      await page.getByRole("article", { name: "Channel user#9999" }).getByRole("row").nth(1).waitFor();
      await page.getByRole("article", { name: "Channels that begin with user#9999" }).getByText("user#99999").waitFor();
      await find(page, "feed:cricket");
      const crowd = page.getByRole("article", { name: "Channel feed:cricket" });
      await crowd.getByText("12,500", { exact: true }).waitFor();
      const row = crowd.getByRole("group", { name: "Sessions" }).getByRole("row");
      assert.equal(await row.count(), 21);
      const first = await row.nth(1).textContent();
      await crowd.getByRole("button", { name: "Next sessions" }).click();
      await crowd.getByRole("button", { name: "First sessions" }).waitFor();
      assert.notEqual(await row.nth(1).textContent(), first);
      await find(page, "user#9999");
      await page.getByRole("article", { name: "Channel user#9999" }).waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `the page is ${wide} pixels too wide`);
      const least = await page.evaluate(leastContrast);
      assert.ok(least.ratio >= 4.5, `“${least.text}” has a contrast of ${least.ratio}`);
      const moves = await page
        .locator("#heard .bar")
        .first()
        .evaluate((e) => getComputedStyle(e).transitionDuration);
      assert.equal(moves, options.reducedMotion ? "0s" : "0.6s");
      if (process.env.SB_SCREENSHOTS) {
        await page.waitForTimeout(40_000); // charts with something in them
        await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
        const path = (part) => join(root, process.env.SB_SCREENSHOTS, `console-${part}.png`);
        await page.screenshot({ path: path(name) });
        if (name === "light") {
          await find(page, "feed:cricket");
          await page.getByRole("article", { name: "Channel feed:cricket" }).getByText("Next sessions").waitFor();
          await page.locator("#find").evaluate((e) => e.scrollIntoView({ behavior: "instant" }));
          await page.screenshot({ path: path("find") });
        }
      }
    });
  }
});
