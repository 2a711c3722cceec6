// nginx, HAProxy and Caddy with the configurations of examples/, before three stream
// servers that share a Redis.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, freePort, root, start, startServer } from "./support.mjs";

const programs = {
  nginx: {
    file: "examples/nginx/nginx.conf",
    command: "/usr/sbin/nginx",
    args: (file, dir) => [
      "-c",
      file,
      "-p",
      dir,
      "-e",
      join(dir, "error.log"),
      "-g",
      `daemon off; master_process off; pid ${dir}/pid;`,
    ],
  },
  haproxy: {
    file: "examples/haproxy/haproxy.cfg",
    command: "/usr/sbin/haproxy",
    args: (file) => ["-db", "-f", file],
  },
  caddy: {
    file: "examples/caddy/Caddyfile",
    command: "/usr/bin/caddy",
    args: (file) => ["run", "--config", file, "--adapter", "caddyfile"],
  },
};

/** The names of the programs. */
export const balancers = Object.keys(programs);

/** Three stream servers that reach each other. */
export async function startNodes(t, redis, flags = []) {
  return Promise.all(
    [1, 2, 3].map(async () => {
      const port = await freePort();
      const address = `127.0.0.1:${port}`;
      const cluster = ["--node-address", `http://${address}`, "--cluster-key", "planted key of the nodes"];
      return startServer(t, ["--redis", redis.url, "--listen", address, ...cluster, ...flags]);
    }),
  );
}

/** A balancer before the servers; its URL. What it may not do to run here is left out of its configuration. */
export async function startBalancer(t, name, servers) {
  const { file, command, args } = programs[name];
  const dir = await mkdtemp(join(tmpdir(), `${name}-`));
  t.after(() => rm(dir, { recursive: true }));
  const address = `127.0.0.1:${await freePort()}`;
  let text = (await readFile(join(root, file), "utf8")).replace("127.0.0.1:8000", address);
  text = text.replace("maxconn 32768", "maxconn 400");
  servers.forEach((server, i) => {
    text = text.replace(`127.0.0.1:${8081 + i}`, new URL(server.url).host);
  });
  const own = join(dir, "conf");
  await writeFile(own, text);
  start(t, command, args(own, dir), {
    stdio: "ignore",
    env: { ...process.env, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir },
  });
  const url = `http://${address}`;
  await eventually(`${name} answers`, async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok);
  return url;
}
