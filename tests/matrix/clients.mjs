// Every version of npm socket.io-client in the matrix, each behind one Client.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Polling only, websocket only, and what the client does unasked. */
export const kinds = ["P", "W", "D"];

// So short that a client which comes back uninvited is seen at it.
const backoff = 50;

/** What all versions have in common; `socket` is the version's own. */
class Client {
  on(event, heard) {
    this.socket.on(event, heard);
  }

  off(event, heard) {
    this.socket.removeListener(event, heard);
  }

  emit(...args) {
    this.socket.emit(...args);
  }

  close() {
    this.socket.disconnect();
  }
}

/** A client of 1.0 and up. */
class Modern extends Client {
  /** What `disconnect` says (PROTOCOL.md 5.6). */
  static reasons = { drop: "transport close", kick: "io server disconnect", close: "io client disconnect" };
  static transports = { P: ["polling"], W: ["websocket"] };

  constructor(io, url, kind, own) {
    super();
    const delays = { reconnectionDelay: backoff, reconnectionDelayMax: backoff, randomizationFactor: 0 };
    const options = { forceNew: true, ...delays, ...own };
    if (kind in Modern.transports) options.transports = Modern.transports[kind];
    this.wanted = kind === "P" ? "polling" : "websocket";
    this.socket = io(url, options);
  }

  get connected() {
    return this.socket.connected;
  }

  /** The transport in use, or nothing while it changes. */
  transportName() {
    const engine = this.socket.io.engine;
    return engine?.upgrading ? undefined : engine?.transport?.name;
  }

  reconnect() {
    this.socket.connect();
  }

  /** Ends everything, in whatever state it is. */
  end() {
    this.socket.io.reconnection(false);
    this.close();
    this.socket.io.engine?.close();
  }
}

/** A client of 0.9: a protocol of its own, no upgrade, no binary. */
class Ancient extends Client {
  /** A lost transport has no reason; `0::` and one's own close have the same. */
  static reasons = { drop: undefined, kick: "booted", close: "booted" };
  static transports = { P: ["xhr-polling"], W: ["websocket"], D: ["websocket", "xhr-polling"] };

  constructor(io, url, kind) {
    super();
    const options = { "force new connection": true, "reconnection delay": backoff, "reconnection limit": backoff };
    // The option of this name is merged into the default list item by item, which leaves websocket in it.
    io.transports = Ancient.transports[kind];
    this.wanted = kind === "P" ? "xhr-polling" : "websocket";
    this.socket = io.connect(url, options);
  }

  get connected() {
    return this.socket.socket.connected;
  }

  transportName() {
    return this.socket.socket.transport?.name;
  }

  reconnect() {
    this.socket.socket.connect();
  }

  end() {
    const connection = this.socket.socket;
    connection.options.reconnect = false;
    clearTimeout(connection.reconnectionTimer);
    clearTimeout(connection.connectTimeoutTimer);
    if (connection.transport) connection.disconnect();
  }
}

/**
 * The versions, oldest first. `own` are options that only this one needs;
 * `lost` are the steps that its own bugs cost it on every server.
 */
export const versions = [
  { version: "0.9.17", package: "sio-client-0.9", Client: Ancient, binary: false },
  {
    version: "1.0.6",
    package: "sio-client-1.0",
    Client: Modern,
    binary: true,
    // As it does with the ws that it was made for (README.md).
    own: { forceBase64: true },
    lost: {
      "send binary with ack": "sends the whole 8192 bytes of the pool that its buffer is of",
      "reconnect by hand": "a kicked socket never listens to its connection again",
      close: "and so there is nothing to close",
    },
  },
  { version: "1.4.8", package: "sio-client-1.4", Client: Modern, binary: true },
  { version: "1.7.4", package: "sio-client-1.7", Client: Modern, binary: true },
  { version: "2.0.4", package: "sio-client-2.0", Client: Modern, binary: true },
  { version: "2.5.0", package: "sio-client-2", Client: Modern, binary: true },
  { version: "3.0.5", package: "sio-client-3.0", Client: Modern, binary: true },
  { version: "3.1.3", package: "sio-client-3", Client: Modern, binary: true },
  { version: "4.0.2", package: "sio-client-4.0", Client: Modern, binary: true },
  { version: "4.5.4", package: "sio-client-4.5", Client: Modern, binary: true },
  { version: "4.7.5", package: "sio-client-4.7", Client: Modern, binary: true },
  { version: "4.8.4", package: "sio-client-4", Client: Modern, binary: true },
].map((row) => ({ lost: {}, ...row }));

/** A new client of a row of `versions`, connecting. */
export function connect(row, url, kind) {
  return new row.Client(require(row.package), url, kind, row.own);
}
