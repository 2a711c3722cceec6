// examples/chat: clients of three generations in one room, and its page.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { newPage } from "./browser.mjs";
import { eventually, root, run, start } from "./support.mjs";

const require = createRequire(import.meta.url);

test("a room", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "chat-"));
  t.after(() => rm(dir, { recursive: true }));
  await run("go", ["build", "-o", dir, "./examples/chat"], { cwd: root });
  const { child } = start(t, join(dir, "chat"), ["--listen", "localhost:0"], { cwd: root });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const url = line.replace("Open ", "").replace(/\/$/, "");

  const heard = {};
  const sockets = {};
  const names = ["one", "two", "four"];
  for (const [i, client] of ["sio-client-1.7", "sio-client-2", "sio-client-4"].entries()) {
    const socket = require(client)(url, { forceNew: true });
    t.after(() => socket.close());
    const lines = [];
    socket.on("line", ({ from, text }) => lines.push(`${from}: ${text}`));
    const answer = await new Promise((resolve) => socket.emit("join", names[i], "lobby", (...args) => resolve(args)));
    assert.equal(answer[1], null);
    assert.deepEqual(answer[0].sort(), names.slice(0, i + 1).sort());
    heard[names[i]] = lines;
    sockets[names[i]] = socket;
  }
  for (const name of names) sockets[name].emit("say", `é 日本 😀 from ${name}`);
  for (const name of names) {
    const said = () => heard[name].filter((line) => !line.startsWith(": ")).sort();
    await eventually(`${name} has heard all`, () => said().length === 3);
    assert.deepEqual(said(), names.map((from) => `${from}: é 日本 😀 from ${from}`).sort());
  }
  const refused = new Promise((resolve) => sockets.one.emit("join", "", "lobby", (_, error) => resolve(error)));
  assert.equal(await refused, "a name and a room, please");

  const page = await newPage(t);
  await page.goto(url);
  await page.fill("#name", "page");
  await page.click("#join button");
  await page.waitForSelector("#text:enabled");
  sockets.two.close();
  await page.waitForSelector("text=two has left");
  await page.fill("#text", "hello from a browser");
  await page.click("#say button");
  await eventually("it is heard", () => heard.one.includes("page: hello from a browser"));
  assert.match(await page.textContent("#state"), /^In lobby: /);
});
