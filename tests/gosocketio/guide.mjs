// The clients of npm for guide_test.go, in the alias of package.json that VERSION is.
//
// `node guide.mjs steps URL VERSION TRANSPORT…` takes some steps, and prints what two clients saw.
// `node guide.mjs stay URL VERSION` listens until its input ends, and prints a line for each thing that it hears.

import { setTimeout as sleep } from "node:timers/promises";
import { call, eventually, next } from "../support.mjs";

const [what, url, version, ...transports] = process.argv.slice(2);
const { default: io } = await import(version);

async function connected(path = "") {
  const socket = io(url + path, { forceNew: true, reconnection: false, transports });
  await next(socket, "connect", 3000);
  const { engine } = socket.io;
  await eventually("it has upgraded", () => engine.transport.name === transports.at(-1) && !engine.upgrading);
  return socket;
}

async function steps() {
  const seen = [];
  const [a, b] = [await connected(), await connected()];
  for (const [name, socket] of Object.entries({ a, b })) {
    socket.on("said", (...args) => seen.push([name, ...args]));
    socket.on("disconnect", (reason) => seen.push([name, "disconnect", reason]));
  }
  const heard = (n) => eventually(`${n} have come: ${JSON.stringify(seen)}`, () => seen.length >= n);
  const ask = async (socket, ...args) => seen.push([args[0], await call(socket, ...args)]);

  await ask(a, "join", "football");
  b.emit("say", "football", { text: "to a alone", n: 1 });
  await heard(2);
  await ask(b, "join", "football");
  a.emit("say", "football", { text: "to both", n: 2 });
  await heard(5);
  await ask(a, "leave", "football");
  a.emit("say", "football", { text: "to b alone", n: 3 });
  await heard(7);
  await ask(a, "add", 2, 3);
  await ask(b, "count", "football");

  const chat = await connected("/chat");
  const reply = next(chat, "reply");
  await ask(chat, "msg", "hello");
  seen.push(["reply", ...(await reply)]);
  await ask(b, "leave", "football");
  await ask(b, "count", "football");
  a.close();
  chat.close();
  await sleep(100); // whatever is too much comes by then
  b.close();
  console.log(JSON.stringify(seen.map((line) => JSON.stringify(line)).sort(), null, 1));
}

function stay() {
  const options = { transports: ["websocket"], reconnectionDelay: 50, reconnectionDelayMax: 100 };
  const socket = io(url, { forceNew: true, ...options });
  socket.on("connect", () => socket.emit("join", "football", (answer) => console.log(answer)));
  socket.on("goal", (scorer) => console.log(`goal ${scorer}`));
  process.stdin.resume().on("end", () => process.exit(0));
}

await { steps, stay }[what]();
if (what === "steps") process.exit(0);
