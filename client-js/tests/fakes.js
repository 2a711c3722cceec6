/** What the tests put in the place of the network. Each records what it was asked and answers when it is told to. */

import { EventEmitter } from "node:events";
import { mock } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Client } from "../src/client.js";

/** Lets everything happen that waits for nothing but its turn. */
export const settle = async () => {
  for (let i = 0; i < 3; i++) {
    await setImmediate();
  }
};

export const handshake = { sid: "S", upgrades: [], pingInterval: 25000, pingTimeout: 20000, maxPayload: 65536 };

/** A socket of a stock client: the server's side of it are answer(), receive(), up() and down(). */
export class StockSocket {
  connected = false;
  sent = [];
  #emitter = new EventEmitter();

  on(name, callback) {
    this.#emitter.on(name, callback);
  }
  removeListener(name, callback) {
    this.#emitter.removeListener(name, callback);
  }
  emit(name, ...args) {
    const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
    this.sent.push({ name, args, ack });
  }
  connect() {
    this.up();
  }
  close() {
    if (this.connected) {
      this.down("io client disconnect");
    }
  }

  up() {
    this.connected = true;
    this.receive("connect");
  }
  down(reason = "transport close") {
    this.connected = false;
    this.receive("disconnect", reason);
  }
  /** As the server emits. */
  receive(name, ...args) {
    if (this.#emitter.listenerCount(name)) {
      this.#emitter.emit(name, ...args);
    }
  }
  listeners() {
    return this.#emitter.eventNames().filter((name) => this.#emitter.listenerCount(name));
  }
  /** What was sent since the last call, without the acks. */
  take() {
    return this.sent.splice(0).map(({ name, args }) => [name, ...args]);
  }
  /** Takes the oldest that was sent, which must be a subscribe, and answers it: each channel with what, or an error. */
  answer(what = { position: "p0", recovered: false, replayed: 0 }) {
    const { args, ack } = this.sent.shift();
    ack(
      what.code
        ? { ok: false, error: what }
        : { ok: true, channels: Object.fromEntries(args[0].map((c) => [c, what])) },
    );
    return args;
  }
}

/** A class of WebSockets that never reach anybody; all that were made are in its list. */
export function fakeWebSocket() {
  return class FakeWebSocket {
    static list = [];
    static get last() {
      return FakeWebSocket.list.at(-1);
    }
    sent = [];
    closed = false;

    constructor(url) {
      this.url = url;
      FakeWebSocket.list.push(this);
    }
    send(packet) {
      this.sent.push(packet);
    }
    close() {
      this.closed = true;
    }

    receive(...packets) {
      for (const data of packets) {
        this.onmessage({ data });
      }
    }
    /** The server's part up to the CONNECT answer. */
    async accept() {
      this.receive(`0${JSON.stringify(handshake)}`);
      await settle();
      this.receive('40{"sid":"x"}');
    }
    drop() {
      this.onclose();
    }
    fail() {
      this.onerror();
      this.onclose();
    }
    take() {
      return this.sent.splice(0);
    }
  };
}

/** A fetch whose requests wait in its list; each is answered by answer() or fail(). */
export function fakeFetch() {
  const requests = [];
  const fetch = (url, { method, body, signal, credentials }) =>
    new Promise((resolve, reject) => {
      const done = (settled) => (value) => {
        requests.splice(requests.indexOf(request), 1);
        signal?.removeEventListener("abort", onAbort);
        settled(value);
      };
      const request = {
        url: new URL(url),
        method,
        body,
        credentials,
        answer: (text, status = 200) => done(resolve)({ ok: status === 200, status, text: async () => text }),
        fail: () => done(reject)(new TypeError("fetch failed")),
      };
      const onAbort = () => done(reject)(signal.reason);
      signal?.addEventListener("abort", onAbort);
      requests.push(request);
    });
  const find = (method) => requests.find((request) => request.method === method);
  Object.defineProperties(fetch, {
    requests: { value: requests },
    poll: { get: () => find("GET") },
    post: { get: () => find("POST") },
  });
  return fetch;
}

/** A list of what client tells whoever listens to it. */
function hear(client) {
  const heard = [];
  for (const event of ["connect", "disconnect", "gap", "error", "session"]) {
    client.on(event, (...args) => heard.push([event, ...args]));
  }
  return heard;
}

/** A client on a fake stock socket, connected unless up is false. */
export function onStockSocket({ up = true } = {}) {
  const client = new Client("http://unused.test");
  const socket = new StockSocket();
  const heard = hear(client);
  client.use(socket);
  if (up) {
    socket.up();
  }
  heard.length = 0;
  return { client, socket, heard };
}

/** A client on its own socket, with fakes below that; not connected. */
export function onFakes(options) {
  const WebSocket = fakeWebSocket();
  const fetch = fakeFetch();
  const client = new Client("https://stream.test/sb.js?v=1", { WebSocket, fetch, ...options });
  return { client, WebSocket, fetch, heard: hear(client) };
}

/** The same, connected by WebSocket. */
export async function connectedOnFakes(options) {
  const all = onFakes(options);
  all.client.connect();
  await all.WebSocket.last.accept();
  all.WebSocket.last.take();
  all.heard.length = 0;
  return all;
}

/** Time under control, no jitter and no browser, for each test of a file. */
export function controlTime() {
  mock.restoreAll();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1e12 });
  mock.method(Math, "random", () => 1);
  for (const name of ["localStorage", "addEventListener", "removeEventListener", "document"]) {
    delete globalThis[name];
  }
}
