// The server of the matrix on npm socket.io: what the steps take for right, and
// the protocol of events that a server under test has to speak.

import { once } from "node:events";
import { createServer } from "node:http";
import { Server } from "socket.io";

const given = {
  json: { a: 1, b: [true, null], c: "x" },
  unicode: "é € 日本 😀 \u2028 \u2029 ÿ Ã©-free",
  binary: Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
};

/** Listens on the loopback until close() is called. */
export async function startReference() {
  const http = createServer();
  const io = new Server(http, { allowEIO3: true });
  io.on("connection", (socket) => {
    socket.on("subscribe", (channel, ack) => {
      socket.join(channel);
      ack({ ok: true });
    });
    socket.on("give", (what) => socket.emit("given", given[what]));
    socket.on("echo", (...args) => socket.emit("echo-back", ...args));
    socket.on("binary", (data, ack) => ack(data.length, data));
    socket.on("publish", (channel, data) => io.to(channel).emit(channel, data));
    socket.on("publish-large", (channel) => io.to(channel).emit(channel, "x".repeat(150 * 1024)));
    socket.on("drop", () => socket.conn.close());
    socket.on("kick", () => socket.disconnect(true));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (http.address());
  return { url: `http://127.0.0.1:${port}`, close: () => io.close() };
}
