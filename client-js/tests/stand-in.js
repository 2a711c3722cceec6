/** A stand-in for the stream server on the reference implementation: the contract of DESIGN.md section 2. */

import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { Server } = require("socket.io");
const ofServer = createRequire(require.resolve("socket.io"));

/** The WebSocket class that the reference itself uses: Node 20 has none. */
export const { WebSocket } = createRequire(ofServer.resolve("engine.io"))("ws");

/**
 * Listens on a random port of loopback, or on the one given.
 *
 * @param {object} [options] of the reference
 * @param {number} [port]
 */
export async function standIn(options, port = 0) {
  const http = createServer((_, response) => response.writeHead(404).end());
  const io = new Server(http, { allowEIO3: true, ...options });
  const history = []; // of {channel, data}; a position is "p" and an index
  const subscribes = [];

  io.use((socket, next) => {
    const { token } = socket.handshake.auth;
    if (token && token !== "jwt") {
      const refusal = { code: "bad_token", message: "not valid" };
      return next(Object.assign(new Error(refusal.message), { data: refusal }));
    }
    next();
  });
  io.on("connection", (socket) => {
    const { token, guest = "g1" } = socket.handshake.auth;
    socket.emit("$session", token ? { id: socket.id, member: "m" } : { id: socket.id, member: "guest:1", guest });
    socket.on("subscribe", (tags, { since }, ack) => {
      subscribes.push({ tags, since });
      const channel = tags.find((tag) => tag.startsWith("private:"));
      if (channel) {
        return ack({ ok: false, error: { code: "forbidden", message: "no", channel } });
      }
      const channels = {};
      for (const tag of tags) {
        socket.join(tag);
        const from = Number(since[tag]?.slice(1));
        const missed = history.map((message, i) => ({ ...message, i })).filter((m) => m.i > from && m.channel === tag);
        for (const { data, i } of missed) {
          socket.emit(tag, data, `p${i}`);
        }
        channels[tag] = { position: `p${history.length - 1}`, recovered: from >= -1, replayed: missed.length };
      }
      ack({ ok: true, channels });
    });
    socket.on("unsubscribe", (tags) => {
      for (const tag of tags) {
        socket.leave(tag);
      }
    });
  });
  await new Promise((resolve) => http.listen(port, "127.0.0.1", resolve));
  return {
    io,
    subscribes,
    port: http.address().port,
    url: `http://127.0.0.1:${http.address().port}/`,
    publish(channel, data) {
      history.push({ channel, data });
      io.to(channel).emit(channel, data, `p${history.length - 1}`);
    },
    /** The engine's side of the only client. */
    connection: () => [...io.sockets.sockets.values()][0].conn,
    close: () => new Promise((resolve) => io.close(resolve)),
  };
}
