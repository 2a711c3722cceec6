// The guides of migration, step by step: the old server and ours side by side
// behind the balancer of docs/moving.md, over to ours, and back.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { Redis } from "ioredis";
import Echo from "laravel-echo";
import { eventually, freePort, redisCli, root, run, start, startRedis, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);

/** The blocks of a guide in a language, with the ports of this run. */
async function guide(file, ports) {
  const text = await readFile(join(root, "docs", file), "utf8");
  return (language) =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, block]) =>
      Object.entries(ports).reduce(
        (b, [written, port]) => b.replace(new RegExp(`\\b${written}\\b`, "g"), `${port}`),
        block,
      ),
    );
}

/** The flags of the guide's line that starts our server. */
function flagsOf(line) {
  const [program, ...flags] = line.trim().replaceAll("''", "").split(" ");
  assert.equal(program, "./stream-server");
  return flags;
}

/** nginx with the block of docs/moving.md. share("") sends all to the old server, share("100%") all to ours. */
async function startNginx(t, ports) {
  const dir = await mkdtemp(join(tmpdir(), "moving-"));
  t.after(() => rm(dir, { recursive: true }));
  const [block] = (await guide("moving.md", ports))("nginx");
  assert.match(block, /10% new;/);
  const file = join(dir, "conf");
  const args = ["-c", file, "-p", dir, "-e", join(dir, "error.log"), "-g", `pid ${dir}/pid; daemon off;`];
  const write = (percent) =>
    writeFile(
      file,
      `worker_shutdown_timeout 1s; events {} http { access_log off; ${block.replace("10% new;", percent && `${percent} new;`)} }`,
    );
  await write("");
  const nginx = start(t, "/usr/sbin/nginx", args, { stdio: "ignore" });
  t.after(() => nginx.stop("SIGTERM")); // its workers end with it; before the SIGKILL of start
  await eventually("nginx answers", () => fetch(`http://127.0.0.1:${ports[8000]}/`).catch(() => undefined));
  return {
    async share(percent) {
      await write(percent);
      await run("/usr/sbin/nginx", [...args, "-s", "reload"]);
    },
    end: () => nginx.stop("SIGTERM"),
  };
}

const sessions = async (server) => (await (await fetch(`${server.url}/api/stats`)).json()).sessions;

/** Publishes until all has arrived that is wanted, and returns nothing of before. */
async function arrives(what, got, publish, wanted) {
  got.length = 0;
  await eventually(what, async () => {
    await publish();
    return wanted.every((w) => got.some((g) => JSON.stringify(g) === JSON.stringify(w)));
  });
}

/** Old, new, old. */
async function moves(t, { ports, flags, got, publish, wanted, begin }) {
  const server = await startServer(t, [...flags, "--origins", "*"], { SB_LISTEN: `127.0.0.1:${ports[8080]}` });
  const nginx = await startNginx(t, ports);
  const end = begin();
  await arrives("the page hears the old server", got, publish, wanted);
  assert.equal(await sessions(server), 0);
  await nginx.share("100%");
  await eventually("the page is with the new server", async () => (await sessions(server)) === 1);
  await arrives("the page hears the new server", got, publish, wanted);
  assert.equal(await sessions(server), 1);
  await nginx.share("");
  await eventually("the page has gone back", async () => (await sessions(server)) === 0);
  await arrives("the page hears the old server again", got, publish, wanted);
  assert.equal(await sessions(server), 0);
  end?.();
  await nginx.end();
}

// socket.io-client 0.9 and the server of its time.
test("from the Node original", async (t) => {
  const redis = await startRedis(t);
  const ports = await freePorts(redis);
  const blocks = await guide("from-node.md", { ...ports, 8080: ports[8000] });
  const code = `const require = (name) => original[name];
    const original = {
      "socket.io": { listen: (port) => createRequire(import.meta.url)("sio-server-0.9").listen(port, { "log level": 0 }) },
      redis: { createClient: (port) => new Redis(port) },
    };
    ${blocks("js").at(-1)}`;
  const imports = 'import { createRequire } from "node:module"; import { Redis } from "ioredis";';
  const args = ["--input-type=module", "-e", imports + code];
  const old = start(t, process.execPath, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  await eventually("the old server answers", () => fetch(`http://127.0.0.1:${ports[3000]}/`).catch(() => undefined));
  const [, pageCode] = /<script>\n(.*?)<\/script>/s.exec(blocks("html")[0]);
  const [, publish] = /PUBLISH (\S+ '.*')/.exec(blocks("sh").join());
  const [channel, data] = publish.replaceAll("'", "").split(" ");
  const got = [];
  const { connect } = require("sio-client-0.9");
  const io = {
    connect: (url) =>
      connect(url, { "force new connection": true, "max reconnection attempts": 100, "reconnection limit": 200 }),
  };
  await moves(t, {
    ports,
    flags: flagsOf(
      blocks("sh")
        .join()
        .split("\n")
        .find((line) => line.startsWith("./stream-server")),
    ),
    got,
    publish: () => redisCli(redis.port, "PUBLISH", channel, data),
    wanted: [[JSON.parse(data)]],
    begin: () => {
      const socket = new Function("io", "console", `${pageCode}; return socket`)(io, {
        log: (...args) => got.push(args),
      });
      return () => socket.disconnect(); // while it can: it waits a minute for a server that has ended
    },
  });
  await old.stop();
});

async function freePorts(redis) {
  return {
    8000: await freePort(),
    8080: await freePort(),
    3000: await freePort(),
    9000: await freePort(),
    6379: redis.port,
  };
}

/** Runs a page's code of a guide: io connects from it, and what it logs is got. */
function page(t, code, got, names) {
  const client = (io) => (url, options) => {
    const socket = io(url, { ...options, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 100 });
    t.after(() => socket.close());
    return socket;
  };
  const own = {
    console: { log: (...args) => got.push(args.at(-1)?.ok ? "subscribed" : args) },
    ...names,
    io: client(names.io),
  };
  new Function(...Object.keys(own), code)(...Object.values(own));
}

test("from Socket.IO with Redis", async (t) => {
  const redis = await startRedis(t);
  const ports = await freePorts(redis);
  const blocks = await guide("from-socketio-redis.md", ports);
  const [pageCode, serverCode] = blocks("js");
  const old = start(t, process.execPath, ["--input-type=module", "-e", serverCode], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  await eventually("the old server answers", () => fetch(`http://127.0.0.1:${ports[3000]}/`).catch(() => undefined));
  const publisher = new Redis(redis.port);
  t.after(() => publisher.disconnect());
  const got = [];
  await moves(t, {
    ports,
    flags: flagsOf(blocks("sh")[0]),
    got,
    publish: () => new Emitter(publisher).to("news").emit("goal", { scorer: "Ada" }),
    wanted: [[{ scorer: "Ada" }]],
    begin: () => page(t, pageCode, got, { io: require("sio-client-4") }),
  });
  await old.stop();
});

test("from Laravel Echo Server", async (t) => {
  const redis = await startRedis(t);
  const ports = await freePorts(redis);
  const blocks = await guide("from-laravel-echo-server.md", ports);
  const application = createServer((request, response) => {
    response.writeHead(request.headers.authorization === "Bearer mine" ? 200 : 403, {
      "Content-Type": "application/json",
    });
    response.end("{}");
  }).listen(ports[9000], "127.0.0.1");
  await once(application, "listening");
  t.after(() => application.close());
  const dir = await mkdtemp(join(tmpdir(), "echo-"));
  t.after(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, "laravel-echo-server.json"), blocks("json")[0]);
  const [ours, theirs] = blocks("sh");
  assert.match(theirs, /^npx laravel-echo-server start --config laravel-echo-server\.json\n$/);
  const command = join(root, "node_modules/.bin/laravel-echo-server");
  const old = start(t, process.execPath, [command, "start", "--config", "laravel-echo-server.json"], {
    cwd: dir,
    stdio: "ignore",
  });
  await eventually(
    "the old server answers",
    () => fetch(`http://127.0.0.1:${ports[3000]}/`).catch(() => undefined),
    30_000,
  );
  const got = [];
  const event = "App\\Events\\OrderShipped";
  const payload = JSON.stringify({ id: 1, socket: null });
  await moves(t, {
    ports,
    flags: flagsOf(ours),
    got,
    publish: () =>
      run("php", [
        join(root, "tests/laravel.php"),
        `${redis.port}`,
        "laravel_database_",
        "orders,private-orders.1",
        event,
        payload,
      ]),
    wanted: [
      ["public", { id: 1, socket: null }],
      ["private", { id: 1, socket: null }],
    ],
    begin: () => page(t, blocks("js")[0], got, { io: require("sio-client-2"), Echo, token: "mine" }),
  });
  await old.stop();
});
