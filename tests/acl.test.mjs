// The users of docs/security-redis.md, with TLS: the server as one of them, and
// web servers of several languages as another.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { call, freePort, next, redisCli, root, run, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const io = require("sio-client-4");

/** An authority and a certificate of it for localhost, in the folder. */
async function certify(dir) {
  const openssl = (line) => run("openssl", line.split(" "), { cwd: dir });
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  await openssl(`req -x509 ${key} -keyout ca-key.pem -out ca.pem -days 1 -subj /CN=authority`);
  await openssl(`req ${key} -keyout key.pem -out request.pem -subj /CN=localhost`);
  await writeFile(join(dir, "extensions"), "subjectAltName=DNS:localhost");
  const by = "-CA ca.pem -CAkey ca-key.pem -CAcreateserial -extfile extensions";
  await openssl(`x509 -req -in request.pem ${by} -days 1 -out cert.pem`);
  return { ca: join(dir, "ca.pem"), cert: join(dir, "cert.pem"), key: join(dir, "key.pem") };
}

test("the examples publish by TLS with the documented ACL, and Redis refuses nothing", async (t) => {
  const text = await readFile(join(root, "docs/security-redis.md"), "utf8");
  const users = [...text.matchAll(/^user (\S+) .*$/gm)];
  const passwords = Object.fromEntries(users.map(([line, name]) => [name, / >(\S+)/.exec(line)?.[1]]));
  const dir = await mkdtemp(join(tmpdir(), "acl-"));
  t.after(() => rm(dir, { recursive: true }));
  const file = join(dir, "users.acl");
  const admin = "user admin on >admin ~* &* +@all";
  await writeFile(file, `${[...users.map(([line]) => line), admin].join("\n")}\n`);
  const { ca, cert, key } = await certify(dir);
  const port = await freePort();
  const tls = ["--tls-port", `${port}`, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca];
  const redis = await startRedis(t, ["--aclfile", file, ...tls, "--tls-auth-clients", "no"]);
  const as = (user) => `rediss://${user}:${passwords[user]}@localhost:${port}`;

  const sessions = ["--session-redis", as("sessions"), "--session-cookie", "sid", "--session-key", "sess:{}"];
  const server = await startServer(t, ["--redis", as("stream-server"), "--redis-ca", ca, ...sessions]);
  assert.ok(!server.printed.join("\n").includes(passwords["stream-server"]));
  const socket = io(server.url, { forceNew: true });
  t.after(() => socket.close());
  const channel = "feed:football:fantasy";
  assert.equal((await call(socket, "subscribe", channel)).ok, true);
  const heard = [];
  socket.on(channel, (data) => heard.push(data));
  const examples = await readFile(join(root, "examples/README.md"), "utf8");
  const lines = [...examples.matchAll(/`([^`]* \S*publish-[^`]*)`/g)].map((match) => match[1]);
  assert.equal(lines.length, 5);
  const env = { ...process.env, SB_REDIS: as("web"), PATH: `/usr/bin:${process.env.PATH}` };
  for (const line of lines) {
    await assert.rejects(run("sh", ["-c", line], { cwd: root, env }), undefined, `${line} trusts an unknown Redis`);
  }
  for (const line of lines) {
    const arrived = next(socket, channel, 60_000);
    const trusting = { ...env, SB_REDIS_CA: ca, NODE_EXTRA_CA_CERTS: ca, SSL_CERT_FILE: ca };
    await run("sh", ["-c", line], { cwd: root, env: trusting });
    assert.deepEqual((await arrived)[0], { goal: 1 }, line);
  }
  assert.equal(heard.length, lines.length);
  // Clients say their names to a Redis that has CLIENT SETINFO (7.2), and do not mind a no.
  const log = await redisCli(redis.port, "--user", "admin", "--pass", "admin", "--no-auth-warning", "ACL", "LOG");
  const objects = [...log.matchAll(/^object\n(.*)$/gm)].map((match) => match[1]);
  assert.deepEqual(
    objects.filter((object) => object !== "client|setinfo"),
    [],
  );
});
