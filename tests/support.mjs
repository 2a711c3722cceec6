// What the end-to-end tests share: the built binary, a real redis-server and a
// browser, each on ports of its own, each ended with its test.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const binary = process.env.SB_BINARY ?? join(root, "stream-server");
export const run = promisify(execFile);

const given = new Set();

/** A port that nobody listens on: another one each time, and none that the system gives to who asks for any. */
export async function freePort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (given.has(port)) continue;
    given.add(port);
    const server = createServer().listen(port, "127.0.0.1");
    if (!(await once(server, "listening").catch(() => undefined))) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** Waits until ok() is true, or fails. */
export async function eventually(what, ok, limit = 10_000) {
  const end = Date.now() + limit;
  for (;;) {
    if (await ok()) return;
    if (Date.now() > end) assert.fail(`it did not come true that ${what}`);
    await sleep(10);
  }
}

/** Runs a program until the test ends. */
export function start(t, command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  const ended = once(child, "exit");
  ended.catch(() => {}); // a program that is missing says so when it is waited for
  const stop = async (signal = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const [code] = await ended;
    return code;
  };
  t.after(() => stop("SIGKILL"));
  return { child, stop, ended };
}

// What no log may have (RELIABILITY.md P1): secrets of tests have "planted" in
// them; ids and keys that are made at random have 23 letters and digits or more; tokens
// begin as JSON does in base64; and the clients are on this machine.
const secrets = /[Pp]lanted|[A-Z2-7]{23}|eyJ[\w-]{8}|127\.0\.0\.1|::1\b/;

/** Fails for a line of the log that has what it may not. Servers' own addresses may stand there. */
function searchLog(log, own) {
  for (const line of log) {
    const rest = own.reduce((text, address) => text.replaceAll(address, ""), line);
    assert.ok(!secrets.test(rest), `the log has ${secrets.exec(rest)}: ${line}`);
  }
}

/** Whether the server is ready; ca is the certificate to trust. */
async function ready(url, ca) {
  if (!ca) return (await fetch(`${url}/readyz`)).ok;
  const [response] = await once(get(`${url}/readyz`, { ca, rejectUnauthorized: ca !== "any" }), "response");
  response.resume();
  return response.statusCode === 200;
}

/**
 * The stream server with these flags. url is of HTTP, broker the port of the
 * embedded broker, page the printed address. With TLS, ca is the certificate
 * that it is to show, or "any". Its log is searched for secrets when the test
 * ends.
 */
export async function startServer(t, flags = [], env = {}, ca = "") {
  const defaults = {
    SB_LISTEN: "127.0.0.1:0",
    SB_LINGER: "0s",
    SB_DRAIN: "0s",
    SB_BROKER_LISTEN: "127.0.0.1:0",
    SB_LOG_LEVEL: "debug",
  };
  const { child, stop, ended } = start(t, binary, flags, { env: { ...process.env, ...defaults, ...env } });
  const log = [];
  createInterface({ input: child.stderr }).on("line", (line) => log.push(line));
  const printed = [];
  const lines = createInterface({ input: child.stdout });
  await Promise.race([
    new Promise((resolve) => {
      lines.on("line", (line) => {
        printed.push(line);
        if (line.includes("redis-cli")) resolve(undefined);
      });
    }),
    ended.then(([code]) => assert.fail(`the server ended with ${code}: ${log.join("\n")}`)),
  ]);
  const page = printed.find((line) => /https?:\/\//.test(line)).trim();
  const url = new URL(page).origin.replace("localhost", "127.0.0.1");
  const broker = Number(/-p (\d+)/.exec(printed.find((line) => line.includes("redis-cli")))[1]);
  const server = { url, page, broker, printed, log, stop, pid: child.pid };
  t.after(() => searchLog(log, [new URL(url).host, `127.0.0.1:${broker}`]));
  await eventually("the server is ready", () => ready(url, ca));
  return server;
}

/** The value of a metric, with the labels written as in /metrics. */
export async function metric(server, name) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split("\n").find((l) => l.startsWith(`${name} `));
  assert.ok(line, `/metrics has no ${name}`);
  return Number(line.slice(name.length + 1));
}

/** Waits until both maps are empty. */
export async function empty(server) {
  await eventually("both maps are empty", async () => {
    const { sessions, channels } = await (await fetch(`${server.url}/api/stats`)).json();
    return sessions === 0 && channels === 0;
  });
}

/** A real redis-server that can be killed and started again on its port. */
export async function startRedis(t, flags = []) {
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), "redis-"));
  t.after(() => rm(dir, { recursive: true }));
  const redis = {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: async () => {},
    async start() {
      const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", dir, ...flags];
      const { child, stop } = start(t, "redis-server", args);
      child.on("error", (error) => assert.fail(`apt-get install redis-server: ${error.message}`));
      redis.kill = () => stop("SIGKILL");
      await eventually("redis-server answers", async () => {
        try {
          return /^(PONG|NOAUTH)/.test(await redisCli(port, "PING"));
        } catch {
          return false;
        }
      });
    },
  };
  await redis.start();
  return redis;
}

/** redis-cli, with its answer. */
export async function redisCli(port, ...args) {
  const { stdout } = await run("redis-cli", ["-h", "127.0.0.1", "-p", `${port}`, ...args]);
  return stdout.trim();
}

/** The next time that an emitter says this, or a failure. */
export function next(emitter, event, limit = 10_000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${event} within ${limit} ms`)), limit);
    emitter.once(event, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });
}

/** Emits an event of a Socket.IO client and waits for the ack. */
export function call(socket, ...args) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer to ${args[0]}`)), 10_000);
    socket.emit(...args, (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}
