// What the commands of a document are run against: each of these is started
// when a command is the first to name it, and is the document's own.

import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createServer } from "node:tls";
import { binary, call, eventually, freePort, next, redisCli, root, run, startRedis, startServer } from "../support.mjs";
import { blocks } from "./blocks.mjs";
import { Shell } from "./shell.mjs";

const io = createRequire(import.meta.url)("sio-client-4");

/** Every key of a document: to publish, of operators, of the cluster and of guests. */
export const secret = "0123456789abcdef0123456789abcdef";
export const channels = ["feed:football:fantasy", "room:7", "zimmer/é"];

/** A token of member 42, who is in every document. */
function token() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ alg: "HS256" })}.${part({ sub: "42", exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

export class World {
  /** The server that a document means: the one that it started last, or else one that was there before. */
  current;
  servers = [];
  listeners = [];
  #made = new Map();
  #ports = new Map();

  /** text is all commands of the document. */
  static async create(t, text) {
    const world = new World(t, text, await mkdtemp(join(tmpdir(), "doc-")));
    t.after(() => rm(world.dir, { recursive: true, force: true }));
    for (const name of ["work", "bin", "printed"]) await mkdir(join(world.dir, name));
    await symlink(binary, join(world.dir, "bin/stream-server"));
    await symlink(binary, join(world.dir, "work/stream-server"));
    await symlink(join(root, "examples"), join(world.dir, "work/examples"));
    await writeFile(join(world.dir, "work/package.json"), '{"private": true}');
    const { cert } = await world.certificate();
    world.shell = new Shell(t, join(world.dir, "printed"), join(world.dir, "work"), {
      ...process.env,
      PATH: `${join(world.dir, "bin")}:${process.env.PATH}`,
      HOME: process.env.HOME ?? world.dir,
      SB_DRAIN: "0s",
      SB_ACME_CACHE: join(world.dir, "acme"),
      SSL_CERT_FILE: cert,
      KEY: secret,
      NEW: `new-${secret}`,
      OLD: `old-${secret}`,
    });
    return world;
  }

  constructor(t, text, dir) {
    Object.assign(this, { t, text, dir });
  }

  #once(name, make) {
    if (!this.#made.has(name)) this.#made.set(name, make());
    return this.#made.get(name);
  }

  /** The port that stands for one of a document. */
  async port(written) {
    const number = Number(written);
    if (number === 6379) return (await this.redis()).port;
    if (number === 6380) return (await this.server()).broker;
    if (number === 8080 && !this.#ports.has(8080)) return (await this.server()).port;
    if (!this.#ports.has(number)) this.#ports.set(number, await freePort());
    return this.#ports.get(number);
  }

  fresh = () => freePort();

  /** From now on these ports stand for those that a server of the document listens on. */
  listens(server, written) {
    this.current = server;
    for (const number of [8080, Number(written)]) this.#ports.set(number, server.port);
  }

  redis = () => this.#once("redis", () => startRedis(this.t));

  cluster = () =>
    this.#once("cluster", async () => {
      const bus = `${await freePort()}`;
      const flags = ["--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-announce-ip", "127.0.0.1"];
      const redis = await startRedis(this.t, flags);
      await redisCli(redis.port, "CLUSTER", "ADDSLOTSRANGE", "0", "16383");
      await eventually("the cluster is well", async () =>
        (await redisCli(redis.port, "CLUSTER", "INFO")).includes("cluster_state:ok"),
      );
      return redis;
    });

  /** Redis with TLS, and the users of docs/security-redis.md. */
  redisTLS = () =>
    this.#once("redisTLS", async () => {
      const { cert, key } = await this.certificate();
      const port = await freePort();
      const users = join(this.dir, "users.acl");
      await writeFile(users, (await blocks("docs/security-redis.md")).find(({ language }) => language === "text").code);
      const tls = ["--tls-port", `${port}`, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert];
      await startRedis(this.t, ["--aclfile", users, ...tls, "--tls-auth-clients", "no"]);
      return { port };
    });

  /** A certificate of localhost, which is its own authority. */
  certificate = () =>
    this.#once("certificate", async () => {
      const [cert, key] = [join(this.dir, "ca.pem"), join(this.dir, "ca-key.pem")];
      const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
      const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
      await run("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", cert]);
      return { cert, key };
    });

  /** The server of a document that starts none: it has the embedded broker, and a page that listens. */
  server = async () => this.current ?? (await this.#once("server", () => this.#serve(["--publish-key", secret])));

  async #serve(flags) {
    const { url, broker, log, pid } = await startServer(this.t, flags, { SB_LINGER: "60s", SB_JWT_KEY: secret });
    const process = { errors: async () => log.join("\n"), alive: async () => true };
    const server = { port: Number(new URL(url).port), broker, url, pid, process };
    await this.visitor(server);
    this.listens(server, 8080);
    return server;
  }

  /** A page that listens to the channels of the documents; its session's public id. */
  visitor = (server) =>
    this.#once(`visitor of ${server.url}`, async () => {
      const socket = io(server.url, { forceNew: true, auth: { token: token() } });
      this.t.after(() => socket.close());
      const [{ id }] = await next(socket, "$session");
      const answer = await call(socket, "subscribe", channels, { presence: true });
      if (!answer.ok) throw new Error(JSON.stringify(answer));
      return id;
    });

  /** A deployment: a server on Redis, behind a proxy that ends TLS. */
  deployment = () =>
    this.#once("deployment", async () => {
      const keys = ["--publish-key", secret];
      if (this.text.includes("--operator-key")) keys.push("--operator-key", secret);
      const proxies = ["--trusted-proxies", "127.0.0.1", "--origins", "https://app.example", "--ping-interval", "2s"];
      const { port } = await this.#serve(["--redis", (await this.redis()).url, ...keys, ...proxies]);
      const { cert, key } = await this.certificate();
      const [certText, keyText] = await Promise.all([cert, key].map((file) => run("cat", [file])));
      const proxy = createServer({ cert: certText.stdout, key: keyText.stdout }, (outside) => {
        const inside = connect(port, "127.0.0.1");
        outside.pipe(inside).pipe(outside);
        for (const socket of [inside, outside]) socket.on("error", () => inside.destroy() && outside.destroy());
      }).listen(0, "127.0.0.1");
      await once(proxy, "listening");
      this.t.after(() => proxy.close());
      return /** @type {import("node:net").AddressInfo} */ (proxy.address()).port;
    });

  /** Where a file or folder of a document is, with what the document expects to be in it. */
  async path(written) {
    const path = join(this.dir, "root", written);
    await mkdir(dirname(path), { recursive: true });
    const { cert, key } = await this.certificate();
    const [, content] =
      [
        [/ca\.pem$|chain\.pem$|cert\.pem$/, () => run("cat", [cert])],
        [/\.pem$/, () => run("cat", [key])],
        [/redis-url$/, async () => ({ stdout: (await this.redis()).url })],
        [/key(s)?$/, () => ({ stdout: secret })],
      ].find(([name]) => name.test(written)) ?? [];
    if (content) await writeFile(path, (await content()).stdout);
    else if (!/\.\w+$/.test(written)) await mkdir(path, { recursive: true });
    return path;
  }
}
