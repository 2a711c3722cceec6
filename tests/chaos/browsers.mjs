// Clients of browsers_test.go: the shim, over its own socket or over a stock
// one. What happens to them is printed, a line of JSON for each thing.
//
// The argument is {url, clients: [{tags, stock, transports}]}.

import { createRequire } from "node:module";
import { Client } from "../../client-js/src/client.js";
import { Socket } from "../../client-js/src/socket.js";

const require = createRequire(import.meta.url);
const stock = require("sio-client-4");
const { WebSocket } = createRequire(require.resolve("sio-client-4"))("ws"); // Node.js 20 has none of its own
const { url, clients } = JSON.parse(process.argv[2]);

/** @param {Record<string, unknown>} thing */
const print = (thing) => process.stdout.write(`${JSON.stringify(thing)}\n`);

for (const [id, client] of clients.entries()) {
  const options = { transports: client.transports, WebSocket };
  const socket = client.stock
    ? stock(url, { ...options, forceNew: true, reconnectionDelay: 500, reconnectionDelayMax: 1000 })
    : new Socket(url, options);
  const emit = socket.emit.bind(socket);
  // What is asked of the server, and its answer, as the shim asks and is answered.
  socket.emit = (name, ...args) => {
    const answered = args.pop();
    if (name !== "subscribe" || typeof answered !== "function") {
      return emit(name, ...args, answered);
    }
    for (const tag of args[0]) {
      print({ id, what: "asked", tag });
    }
    return emit(name, ...args, (answer) => {
      for (const tag of args[0]) {
        print({ id, what: "answered", tag, ok: answer.ok, ...answer.channels?.[tag] });
      }
      answered(answer);
    });
  };
  const shim = new Client(url);
  shim.use(socket);
  // A stock client that the server knows again asks for nothing.
  shim.on("connect", () => socket.recovered && print({ id, what: "recovered" }));
  shim.on("disconnect", () => print({ id, what: "disconnected" }));
  shim.on("gap", ({ channel }) => print({ id, what: "gap", tag: channel }));
  for (const tag of client.tags) {
    shim.comet(tag, ({ n }) => print({ id, what: "message", tag, n }));
  }
  if (!client.stock) {
    socket.connect();
  }
}
