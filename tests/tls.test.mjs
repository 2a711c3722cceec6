// TLS in the server: stock clients of both protocol versions on each transport,
// the command's own client, a certificate that is replaced, and flags that are
// wrong.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { connect } from "node:tls";
import { binary, call, eventually, next, redisCli, run, start, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const clients = { "2.5.0": require("sio-client-2"), "4.8.4": require("sio-client-4") };

/** A certificate of localhost, signed by itself, in files that a test may change. */
async function certificate(t) {
  const dir = await mkdtemp(join(tmpdir(), "tls-"));
  t.after(() => rm(dir, { recursive: true }));
  const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  const write = async () => {
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    await run("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", cert]);
    return await readFile(cert, "utf8");
  };
  return { cert, key, write, ca: await write(), flags: [`--tls-cert=${cert}`, `--tls-key=${key}`] };
}

const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

for (const sockets of ["epoll", "goroutine"]) {
  test(`stock clients over TLS, ${sockets}`, async (t) => {
    const { ca, flags } = await certificate(t);
    const server = await startServer(t, [...flags, `--sockets=${sockets}`], {}, ca);
    assert.match(server.page, /^https:\/\/localhost:\d+\/#key=\w+$/);
    for (const [version, io] of Object.entries(clients)) {
      for (const [name, list] of Object.entries(transports)) {
        const socket = io(server.url, { forceNew: true, reconnection: false, transports: list, ca });
        t.after(() => socket.close());
        const [session] = await next(socket, "$session");
        assert.match(session.member, /^guest:/);
        const { engine } = socket.io;
        await eventually(
          `${version} by ${name} is there`,
          () => engine.transport.name === list.at(-1) && !engine.upgrading,
        );
        assert.equal((await call(socket, "subscribe", "feed")).ok, true);
        for (const data of ["short", "x".repeat(100_000)]) {
          const arrived = next(socket, "feed");
          assert.equal(await redisCli(server.broker, "PUBLISH", "sb:feed", JSON.stringify(data)), "1");
          assert.equal((await arrived)[0], data, `${version} by ${name}`);
        }
        assert.equal((await call(socket, "unsubscribe", "feed")).ok, true);
        socket.close();
      }
    }
    assert.equal(await server.stop(), 0);
  });
}

test("a client that does not know the certificate stays away", async (t) => {
  const server = await startServer(t, (await certificate(t)).flags, {}, "any");
  const socket = clients["4.8.4"](server.url, { forceNew: true, reconnection: false, transports: ["websocket"] });
  t.after(() => socket.close());
  await next(socket, "connect_error");
  await assert.rejects(run(binary, ["subscribe", "--url", server.url, "feed"]), /certificate/);
});

test("subscribe trusts a certificate by --ca and by SSL_CERT_FILE", async (t) => {
  const { cert, key, ca, flags } = await certificate(t);
  const server = await startServer(t, flags, {}, ca);
  for (const [args, env] of [
    [["--ca", cert], {}],
    [[], { SSL_CERT_FILE: cert }],
  ]) {
    const listener = start(t, binary, ["subscribe", "--url", server.url, ...args, "feed"], {
      env: { ...process.env, ...env },
    });
    const arrived = once(createInterface({ input: listener.child.stdout }), "line");
    await eventually(
      "it arrives",
      async () => (await redisCli(server.broker, "PUBLISH", "sb:feed", '"over TLS"')) === "1",
    );
    assert.deepEqual(await arrived, ['"over TLS"']);
    assert.equal(await listener.stop("SIGINT"), 0);
    await eventually("nobody listens", async () => (await redisCli(server.broker, "PUBLISH", "sb:feed", "0")) === "0");
  }
  for (const [file, says] of [
    [`${cert}-none`, /no such file/],
    [key, /holds no certificate/],
  ]) {
    await assert.rejects(run(binary, ["subscribe", "--url", server.url, "--ca", file, "feed"]), (error) => {
      assert.equal(error.code, 2);
      assert.match(error.stderr, says);
      return true;
    });
  }
});

test("a certificate that is replaced is used, and nobody is disconnected", async (t) => {
  const files = await certificate(t);
  const server = await startServer(t, files.flags, {}, files.ca);
  const socket = clients["4.8.4"](server.url, { forceNew: true, reconnection: false, ca: files.ca });
  t.after(() => socket.close());
  let closed = 0;
  socket.on("disconnect", () => closed++);
  assert.equal((await call(socket, "subscribe", "feed")).ok, true);

  const good = await readFile(files.cert);
  await writeFile(files.cert, "no certificate");
  await eventually("a bad one is told", () => server.log.some((line) => line.includes("the old one stays")), 20_000);
  await writeFile(files.cert, good);
  const ca = await files.write();
  const port = Number(new URL(server.url).port);
  await eventually(
    "the new one is used",
    () =>
      new Promise((resolve) => {
        const trial = connect({ port, host: "127.0.0.1", ca }, () => resolve(trial.authorized));
        trial.on("error", () => resolve(false));
        trial.on("close", () => resolve(false));
        trial.end();
      }),
    20_000,
  );
  const arrived = next(socket, "feed");
  await redisCli(server.broker, "PUBLISH", "sb:feed", "1");
  assert.equal((await arrived)[0], 1);
  assert.equal(closed, 0);
});

test("--hsts is said over TLS", async (t) => {
  const { ca, flags } = await certificate(t);
  const server = await startServer(t, [...flags, "--hsts=24h"], {}, ca);
  const [response] = await once(get(`${server.url}/`, { ca }), "response");
  response.resume();
  assert.equal(response.headers["strict-transport-security"], "max-age=86400");
  assert.equal(response.headers["x-content-type-options"], "nosniff");
});

test("wrong flags of TLS end with 2, and say which", async (t) => {
  const { cert, key } = await certificate(t);
  for (const [args, says] of [
    [["--tls-cert", cert], /--tls-key/],
    [["--tls-cert", cert, "--tls-key", `${key}-none`], /key\.pem-none/],
    [["--tls-cert", key, "--tls-key", cert], /--tls-cert/],
    [["--tls-cert", cert, "--tls-key", key, "--acme-domain", "stream.example"], /want one/],
    [["--hsts=-1h"], /HSTS/],
    [["--trusted-proxies", "10.0.0.0/33"], /10\.0\.0\.0\/33/],
  ]) {
    await assert.rejects(run(binary, ["--listen=127.0.0.1:0", "--broker-listen=127.0.0.1:0", ...args]), (error) => {
      assert.equal(error.code, 2, error.stderr);
      assert.match(error.stderr.trim().split("\n").at(-1), says);
      return true;
    });
  }
});
