// socket.io on ws: rooms for channels, and Redis behind them. It prints its
// address. What its pages on performance and memory advise is done: WebSocket
// alone, no compression, and no request kept for each session.
import { createServer } from "node:http";
import { Redis } from "ioredis";
import { Server } from "socket.io";

const prefix = "sb:";
const redis = new Redis(process.argv[2]);
const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  pingInterval: 600_000,
  pingTimeout: 600_000,
});
io.engine.on("connection", (session) => {
  session.request = null;
});

const listened = new Map(); // channel → when Redis has confirmed
io.on("connection", (socket) => {
  socket.on("subscribe", async (channel, ack) => {
    socket.join(channel);
    if (!listened.has(channel)) listened.set(channel, redis.subscribe(prefix + channel));
    await listened.get(channel);
    ack({ ok: true });
  });
});
redis.on("message", (name, data) => {
  const channel = name.slice(prefix.length);
  io.to(channel).emit(channel, JSON.parse(data));
});
http.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${http.address().port}`));
