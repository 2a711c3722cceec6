// What a command has to do, by what it is: the first rule that fits. A command
// that none fits is a fault of the document, or wants a rule here.

import assert from "node:assert/strict";
import { once } from "node:events";
import { access, constants, readFile, rm, symlink } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { binary, eventually, redisCli, root, run } from "../support.mjs";
import { substitute } from "./substitutions.mjs";
import { channels, secret } from "./world.mjs";

/** The subcommands of the binary that end, or print until they are ended; any other line starts a server. */
const client =
  /^(?:\w+=\S+ )*(?:go run \.|(?:\.\/)?stream-server) (publish|subscribe|why|doctor|bench|health|completion|version|--help|--version)\b/;
const server = /^(?:\w+=\S+ )*(?:go run \.|(?:\.\/)?stream-server)(?= |$)/;

/** @type {{is: RegExp, runs: (world: import("./world.mjs").World, text: string) => Promise<string | void>}[]} */
export const rules = [
  { is: /^make /, runs: target },
  { is: /^(\w+=\S+ )*go test\b/, runs: goTest },
  { is: /^npm install /, runs: install },
  { is: /^kill /, runs: signal },
  { is: /^(export )?\w+=\S*[^ ]*( |$)(?!.*stream-server)|^\w+=\S*\$\(/, runs: assign },
  { is: /^\w+\(\) \{/, runs: define },
  { is: /^source <\(stream-server completion bash\)/, runs: complete },
  { is: /^curl .*-N\b|(stream-server|go run \.) subscribe\b/, runs: listen },
  { is: client, runs: prints },
  { is: server, runs: serve },
  { is: /^redis-cli /, runs: redis },
  { is: /^curl /, runs: curl },
  { is: /^openssl /, runs: files },
  { is: /^go build \./, runs: builds },
  { is: /^git clone /, runs: clone },
  { is: /^cd [\w./-]+$/, runs: shell },
  { is: /^examples\/run \w+$/, runs: example },
  { is: /^python3 -m http\.server \d+$/, runs: pages },
  { is: /^promtool /, runs: prints },
];

async function shell(world, text) {
  const { out } = await world.shell.run(await substitute(world, text));
  return out;
}

/** What is asked of a server, or published to it, goes to the one that the document means. */
async function prints(world, text) {
  const { port, broker } = await world.server();
  await world.shell.run(`export SB_URL=http://127.0.0.1:${port} SB_BROKER_LISTEN=127.0.0.1:${broker}`);
  const out = await shell(world, text);
  assert.notEqual(out.trim(), "", "it prints something");
  return out;
}

async function curl(world, text) {
  const out = await shell(world, text.replace(/^curl /, "curl -sS "));
  assert.notEqual(out.trim(), "", "it prints something");
  assert.doesNotMatch(out, /"error":/);
  return out;
}

async function redis(world, text) {
  const out = await shell(world, text);
  assert.notEqual(out.trim(), "", "it prints something");
  assert.doesNotMatch(out, /^\(?(error|ERR|NOAUTH|NOPERM|WRONG|MOVED)/i);
  if (/\bS?PUBLISH\b/.test(text)) assert.match(out, /^\d+\n$/);
  if (/\bXADD\b/.test(text)) assert.match(out, /^\d+-\d+\n$/);
  return out;
}

async function assign(world, text) {
  await shell(world, text);
  for (const [, name] of text.matchAll(/(?:^|export |\s)(\w+)=/g)) await world.shell.run(`[ -n "$${name}" ]`);
}

async function define(world, text) {
  await shell(world, text);
  await world.shell.run(`declare -F ${/^\w+/.exec(text)[0]}`);
}

async function complete(world, text) {
  await shell(world, text);
  await world.shell.run("complete -p stream-server");
}

/** Files that it says it writes are there. */
async function files(world, text) {
  await shell(world, text);
  for (const [, name] of text.matchAll(/-(?:keyout|out) (\S+)/g)) await access(join(world.dir, "work", name));
}

async function builds(world, text) {
  await shell(world, text);
  assert.match((await run(join(world.dir, "built"), ["version"])).stdout, /\w/);
}

/** The clone is of what is committed; the binary, which it is to build, comes into it. */
async function clone(world, text) {
  const folder = join(world.dir, "work/stream-server");
  await rm(folder);
  await shell(world, text);
  await symlink(binary, join(folder, "stream-server"));
}

/** tests/examples.test.mjs starts all that examples/README.md has. */
async function example(_, text) {
  assert.ok(
    (await readFile(join(root, "examples/README.md"), "utf8")).includes(`\`${text}\``),
    "there is no such example",
  );
  await access(join(root, text.split(" ")[0]), constants.X_OK);
}

/** A web server of the reader's, for pages. */
async function pages(world, text) {
  const [, written] = /(\d+)$/.exec(text);
  const port = await world.port(written);
  const process = await world.shell.start(`exec ${text.replace(written, `${port} --bind 127.0.0.1`)}`);
  await eventually("it has a page", () =>
    fetch(`http://127.0.0.1:${port}/`)
      .then((r) => r.ok)
      .catch(() => process.alive().then((yes) => assert.ok(yes))),
  );
  globalThis.process.kill(process.pid, "SIGTERM");
  await process.wait();
}

async function install(world, text) {
  await shell(world, text.replace(/^npm install/, "npm install --offline --no-audit --no-fund"));
  const [, name] = /^npm install (\S+)/.exec(text);
  const cwd = join(world.dir, "work");
  await run("node", ["--input-type=module", "-e", `await import(${JSON.stringify(name)})`], { cwd });
}

/** `make test` runs this, and others take hours: it is enough that make knows how. */
async function target(_, text) {
  const { stdout } = await run("sh", ["-c", text.replace(/^make/, "make -n")], { cwd: root });
  assert.notEqual(stdout.trim(), "", "make has something to do");
}

/** `make test` runs the tests: here it is enough that there are such, and such flags. */
async function goTest(_, text) {
  const [, pattern = "."] = /-run (\S+)/.exec(text) ?? [];
  const { stdout } = await run(
    "bash",
    ["-c", text.replace(/-run \S+/, "").replace(/go test/, `go test -list ${pattern}`)],
    {
      cwd: root,
    },
  );
  for (const name of pattern.replaceAll(/['$^]/g, "").split("|")) {
    assert.match(stdout, new RegExp(`^Test\\w*${name === "." ? "" : name.replace(/^Test/, "")}`, "m"));
  }
}

/** A server has to become ready, whatever it was started with, and to end well. */
async function serve(world, text) {
  const [, written = 8080] = /--listen[ =]\S*?:(\d+)/.exec(text) ?? [];
  const before = /--takeover/.test(text) && world.servers.find((s) => s.takeover);
  const found = before || { port: await world.fresh(), broker: await world.fresh() };
  const started = { ...found, takeover: /--takeover/.test(text), tls: /--tls-cert|--acme-domain/.test(text) };
  world.listens(started, written);
  let env = `SB_LISTEN=127.0.0.1:${started.port} SB_BROKER_LISTEN=127.0.0.1:${started.broker}`;
  if (!/--publish-key/.test(text)) env += ` SB_PUBLISH_KEY=${secret}`;
  const [, domain] = /--acme-domain (\S+)/.exec(text) ?? [];
  const authority = domain && (await startAuthority(world.t));
  if (authority) env += ` SB_ACME_DIRECTORY=${authority.url}`;

  const process = await world.shell.start(`${env} ${await substitute(world, text)}`);
  Object.assign(started, { process, pid: process.pid });
  world.servers.push(started);
  if (authority) await authority.isAsked(started.port, domain);
  else await isReady(started);
  if (before) {
    assert.equal(await before.process.wait(), 0, "the old server ends when the new one is ready");
    before.ended = true;
    await isReady(started);
  }
}

async function isReady(started) {
  const url = `${started.tls ? "https" : "http"}://127.0.0.1:${started.port}`;
  started.url = url;
  await eventually(`the server is ready: ${started.process.command}`, async () => {
    if (!(await started.process.alive())) assert.fail(await started.process.errors());
    const asked = run("curl", ["-sk", "-o", "/dev/null", "-w", "%{http_code}", `${url}/readyz`]);
    return (await asked.catch(({ stdout }) => ({ stdout }))).stdout === "200";
  });
}

/** As much of an authority as it takes to see that it is asked; acme_test.go has a whole one. */
async function startAuthority(t) {
  let asked = 0;
  const authority = createServer((_, response) => {
    asked++;
    response.writeHead(503).end();
  }).listen(0, "127.0.0.1");
  await once(authority, "listening");
  t.after(() => authority.close());
  const { port } = /** @type {import("node:net").AddressInfo} */ (authority.address());
  return {
    url: `http://127.0.0.1:${port}/directory`,
    isAsked: (at, domain) =>
      eventually("the authority is asked for a certificate", async () => {
        const browser = connect({ port: at, host: "127.0.0.1", servername: domain, rejectUnauthorized: false });
        browser.on("error", () => {}); // there is no certificate
        await Promise.race([new Promise((resolve) => browser.once("close", resolve)), sleep(200)]);
        browser.destroy();
        return asked > 0;
      }),
  };
}

/** What prints as messages come: that it does, end() sees. */
async function listen(world, text) {
  const server = await world.server();
  const [, own] = /(https?:\/\/[^/\s']+)/.exec(await substitute(world, text)) ?? [];
  const at = own ?? server.url;
  const before = await count(at);
  await world.shell.run(`export SB_URL=${at}`);
  const process = await world.shell.start(await substitute(world, text));
  world.listeners.push({ process, server, channel: channels.find((c) => text.includes(c)) });
  await eventually(`somebody listens by ${text}`, async () => {
    if (!(await process.alive())) assert.fail(await process.errors());
    return (await count(at)) > before;
  });
}

/** The sessions and channels of a server, of which a listener has at least one. */
async function count(url) {
  const { stdout } = await run("curl", ["-sk", `${url}/metrics`]);
  const sum = (name) =>
    [...stdout.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, "gm"))].reduce(
      (n, [, value]) => n + Number(value),
      0,
    );
  return sum("stream_channels") && sum("stream_sessions");
}

async function signal(world, text) {
  const { process } = world.current;
  await shell(world, text);
  if (/-TERM|^kill "?\$/.test(text)) {
    assert.equal(await process.wait(), 0);
    world.current.ended = true;
  } else {
    await eventually("it was read again", async () =>
      (await process.errors()).includes("the configuration was read again"),
    );
    assert.ok(await process.alive());
  }
}

/** Ends what the document started: listeners have got something, and servers end with 0. */
export async function end(world) {
  for (const { process, server, channel } of world.listeners) {
    await eventually(`a message comes by ${process.command}`, async () => {
      await publish(world, server, channel);
      return (await process.output()).includes("{");
    });
    globalThis.process.kill(process.pid, "SIGTERM");
    const code = await process.wait();
    if (!process.command.startsWith("curl")) assert.equal(code, 0, process.command);
  }
  for (const { process, ended } of world.servers) {
    if (ended) continue;
    assert.ok(await process.alive(), `it ended by itself: ${process.command}\n${await process.errors()}`);
    globalThis.process.kill(process.pid, "SIGTERM");
    assert.equal(await process.wait(), 0, process.command);
  }
}

/** To the embedded broker of the server, or to the Redis that it is on. */
async function publish(world, server, channel) {
  const send = (port) => redisCli(port, "PUBLISH", `sb:${channel}`, '{"goal":1}');
  await send(server.broker).catch(async () => send((await world.redis()).port));
}
