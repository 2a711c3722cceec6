// What of a command is another word when it is run here, and nothing else is:
// addresses and ports that a test may not take, files that only root has, and
// keys that stand for the reader's own.

import { join } from "node:path";
import { root } from "../support.mjs";
import { secret } from "./world.mjs";

/**
 * In this order; what took the place of something is not looked at again.
 * @type {[RegExp, (world: import("./world.mjs").World, ...groups: string[]) => string | Promise<string>][]}
 */
const table = [
  // The binary is what `go build .` makes, built before the tests; tests/readme.test.mjs runs `go run .` itself.
  [/^go run \.(?= |$)/, () => "stream-server"],
  [/^go build \./, (world) => `go build -C ${root} -o ${join(world.dir, "built")} .`],
  [/(?<=^git clone .*)https:\/\/github\.com\/sb-stream\/stream-server\b/, () => `${root} stream-server`],
  // Packages of this repository, as they would come from npm.
  [/(?<=^npm install .*)\bstream-server-client\b/, () => join(root, "client-js")],
  [/(?<=^npm install .*)\bstream-server-web\b/, () => join(root, "web/node")],

  // Redis, in each of its forms.
  [/(?<=rediss:\/\/\S+@)redis\.example:6380\b/, async (world) => `localhost:${(await world.redisTLS()).port}`],
  [/(?<=redis-cluster:\/\/)redis\.example:6379\b/, async (world) => `127.0.0.1:${(await world.cluster()).port}`],
  [/(?<=redis-cli -c )-h redis\.example/, async (world) => `-h 127.0.0.1 -p ${(await world.cluster()).port}`],
  [
    /(?<=redis:\/\/)(redis\.example|10\.0\.0\.3|127\.0\.0\.1|localhost)(:6379)?(?![:\w])/,
    async (world) => `127.0.0.1:${await world.port(6379)}`,
  ],
  [/(?<=redis-cli .*)-h redis\.example/, async (world) => `-h 127.0.0.1 -p ${await world.port(6379)}`],
  [/(?<=redis-cli .*-p )(\d+)/, (world, _, port) => world.port(port).then(String)],
  [/^redis-cli(?! .*-[ph] )/, async (world) => `redis-cli -p ${await world.port(6379)}`],

  // Servers.
  [/https:\/\/push\.example\b/, async (world) => `https://localhost:${await world.deployment()}`],
  [/10\.0\.0\.5:8080\b/, async (world) => `127.0.0.1:${await world.port(8080)}`],
  [/(?<=--listen[ =])[\d.]*:(\d+)/, async (world, _, port) => `127.0.0.1:${await world.port(port)}`],
  [/\b(localhost|127\.0\.0\.1):(\d+)/, async (world, _, host, port) => `${host}:${await world.port(port)}`],
  [/\$\(pidof stream-server\)/, (world) => `${world.current.pid}`],
  [/(?<=\/sessions\/)ID\b/, async (world) => world.visitor(await world.server())],

  // Keys and files.
  [/(?<=Bearer |--publish-key[ =])KEY\b/, () => secret],
  [/(?<![\w.:/])\/(etc|run|var|srv)\/[\w./-]+/, (world, path) => world.path(path)],
  [/\b(fullchain|privkey)\.pem\b/, (world, path) => world.path(path)],
];

/** The command as it is run. */
export async function substitute(world, command) {
  const taken = [];
  let text = command;
  for (const [written, replace] of table) {
    for (let match = written.exec(text); match; match = written.exec(text)) {
      taken.push(await replace(world, ...match));
      const end = match.index + match[0].length;
      text = `${text.slice(0, match.index)}\u0000${taken.length - 1}\u0001${text.slice(end)}`;
    }
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they stand in no document
  return text.replaceAll(/\u0000(\d+)\u0001/g, (_, i) => taken[i]);
}
