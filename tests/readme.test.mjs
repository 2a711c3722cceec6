// The README and docs/from-node.md, run word by word, on other ports.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { newPage, servePage } from "./browser.mjs";
import { eventually, freePort, redisCli, root, run, startRedis, startServer } from "./support.mjs";

const readme = await readFile(join(root, "README.md"), "utf8");
const fromNode = await readFile(join(root, "docs/from-node.md"), "utf8");
const blocks = (language, text = readme) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map((m) => m[1]);

/** Starts a server by a line of the README, and returns what ends it. */
async function serve(t, line, env) {
  const child = spawn("sh", ["-c", line], { cwd: root, env, stdio: ["ignore", "pipe", "inherit"], detached: true });
  const ended = once(child, "close"); // sh and go run end before the server, whose output it is too
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGTERM");
    child.stdout.resume();
    await ended;
  };
  t.after(stop);
  for await (const printed of createInterface({ input: child.stdout })) {
    if (printed.includes("redis-cli")) return stop;
  }
  assert.fail(`${line} ended`);
}

test("every shell line", async (t) => {
  const [http, broker, redis] = [await freePort(), await freePort(), await startRedis(t)];
  const ports = { 8080: http, 6380: broker, 6379: redis.port };
  const env = {
    ...process.env,
    SB_LISTEN: `127.0.0.1:${http}`,
    SB_BROKER_LISTEN: `127.0.0.1:${broker}`,
    SB_PUBLISH_KEY: "KEY",
  };
  let stop = async () => {};
  let ran = 0;
  for (const written of blocks("sh", readme + fromNode).flatMap((block) => block.trim().split("\n"))) {
    if (written === "make test") continue; // that is what runs this
    const line = written.replace(/\b(8080|6380|6379)\b/g, (port) => ports[port]);
    if (/^go run \.$|^\.\/stream-server\b/.test(line)) {
      await stop();
      stop = await serve(t, line, env);
    } else {
      const { stdout } = await run("sh", ["-c", line], { cwd: root, env });
      if (/publish/i.test(line)) assert.match(stdout, /^0\n$|"sessions":0/, line);
    }
    ran++;
  }
  assert.ok(ran >= 8, `only ${ran} lines were found`);
});

test("the page", async (t) => {
  const server = await startServer(t);
  const url = server.url.replace("127.0.0.1", "localhost");
  const [html] = blocks("html");
  const page = await newPage(t);
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  const address = await servePage(t, html.replace("http://localhost:8080", url));
  await page.goto(address.replace("127.0.0.1", "localhost"));
  const publish = () => redisCli(server.broker, "PUBLISH", "sb:feed:football:fantasy", '"it arrives"');
  await eventually("it listens", async () => (await publish()) === "1");
  await eventually("it arrives", () => said.includes("it arrives"));
});

test("the page of the Node original", async (t) => {
  const server = await startServer(t);
  const url = server.url.replace("127.0.0.1", "localhost");
  const [html] = blocks("html", fromNode);
  const script = await readFile(join(root, "node_modules/sio-client-0.9/dist/socket.io.js"), "utf8");
  const page = await newPage(t);
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  const address = await servePage(t, html.replace("http://localhost:8080", url), { "/socket.io-0.9.js": script });
  await page.goto(address.replace("127.0.0.1", "localhost"));
  const publish = () => redisCli(server.broker, "PUBLISH", "sb:feed:football:fantasy", '"it arrives é 😀"');
  await eventually("it listens", async () => (await publish()) === "1");
  await eventually("it arrives", () => said.includes("it arrives é 😀"));
});

test("the stock client", async (t) => {
  const server = await startServer(t);
  const io = createRequire(import.meta.url)("sio-client-4");
  const said = [];
  const [code] = blocks("js");
  const client = (url) => {
    const socket = io(url.replace("http://localhost:8080", server.url), { forceNew: true });
    t.after(() => socket.close());
    return socket;
  };
  new Function("io", "console", code)(client, { log: (text) => said.push(text) });
  await eventually("it has subscribed", () => said[0]?.ok);
  await redisCli(server.broker, "PUBLISH", "sb:feed:football:fantasy", '"it arrives"');
  await eventually("it arrives", () => said.includes("it arrives"));
});
