/**
 * What SB is. It works on our own socket or on a stock one: on, removeListener,
 * emit, connect and close are all it needs of it.
 */

import { Emitter } from "./emitter.js";
import { Socket } from "./socket.js";
import { Subscriptions } from "./subscriptions.js";
import { byteLength } from "./transports.js";

/**
 * @typedef {import("../sb.js").Callback} Callback
 * @typedef {import("../sb.js").Options} Options
 * @typedef {import("../sb.js").Session} Session
 * @typedef {import("../sb.js").StockSocket} StockSocket
 */

const events = ["connect", "disconnect", "gap", "error", "session"];
// What the socket itself says. Other names that no channel may have are the server's to refuse.
const reserved = /^(\$|__|((dis)?connect|(connect_)?error)$)/;

/**
 * What of a socket connects: in 0.9 another object, and there is no close().
 *
 * @param {any} socket
 */
const connectionOf = (socket) => socket.socket ?? socket;

export class Client {
  /** @type {Session | null} what the server took us for last */
  session = null;

  /** @type {string} */
  #url;
  /** @type {Options} */
  #options;
  #emitter = new Emitter();

  /** @type {StockSocket | undefined} */
  #socket;
  /** Takes our handlers off that socket. */
  #detach = () => {};
  #subscriptions = new Subscriptions(
    () => this.connect(),
    (gap) => this.#emitter.fire("gap", gap),
    (error, channel) => this.#fail(error, channel),
  );

  /**
   * @param {string} url of the server
   * @param {Options} [options]
   */
  constructor(url, options = {}) {
    this.#url = url;
    this.#options = options;
  }

  /**
   * Calls callback for every message of the channel, or channels, from now on.
   *
   * @param {string | readonly string[]} channel
   * @param {...any} rest an object of options, of which none exist yet, and the callback
   * @returns {() => void} stops it
   */
  comet(channel, ...rest) {
    const callback = rest.pop();
    if (typeof callback !== "function") {
      throw new TypeError("SB.comet: the last argument is a function");
    }
    const tags = /** @type {string[]} */ ([]).concat(channel);
    for (const tag of tags) {
      if (typeof tag !== "string" || !tag || byteLength(tag) > 255 || reserved.test(tag)) {
        throw new TypeError(`SB.comet: not a channel: ${JSON.stringify(tag)}`);
      }
    }
    // Its own function each time, so that each is stopped alone.
    /** @type {Callback} */
    const call = (data, meta) => callback(data, meta);
    this.#subscriptions.add(tags, call);
    return () => this.#subscriptions.remove(tags, call);
  }

  /**
   * Listens to what happens to the connection.
   *
   * @param {string} event
   * @param {(...args: any[]) => void} callback
   * @returns {() => void} stops it
   */
  on(event, callback) {
    if (!events.includes(event) || typeof callback !== "function") {
      throw new TypeError(`SB.on: one of ${events}, and a function`);
    }
    /** @param {...any} args */
    const call = (...args) => callback(...args);
    this.#emitter.on(event, call);
    return () => this.#emitter.removeListener(event, call);
  }

  /**
   * Connects now, to another server or with other options if some are given;
   * also after close(), and after the server sent us away.
   *
   * @param {string | null} [url]
   * @param {Options} [options]
   */
  connect(url, options) {
    if (url) {
      this.#url = url;
      this.#options = {};
    }
    if (url || options || !this.#socket) {
      this.#options = { ...this.#options, ...options };
      this.use(new Socket(this.#url, this.#options));
    }
    const connection = connectionOf(this.#socket);
    if (!connection.connected) {
      connection.connect();
    }
  }

  /**
   * Goes on over this socket of a stock client, or of ours. The one before is closed.
   *
   * @param {StockSocket} socket
   */
  use(socket) {
    if (socket === this.#socket) {
      return;
    }
    this.close();
    this.#detach();
    const onConnect = () => {
      this.#subscriptions.connected();
      this.#emitter.fire("connect");
    };
    /** @type {Record<string, (...args: any[]) => void>} */
    const handlers = {
      connect: onConnect,
      disconnect: (reason) => {
        this.#subscriptions.disconnected();
        this.#emitter.fire("disconnect", reason);
      },
      connect_error: (error) => this.#fail(error),
      error: (error) => this.#fail(error), // what 1.x and 2.x call a refusal
      $gap: (gap) => this.#emitter.fire("gap", gap),
      $session: (session) => {
        this.session = session;
        this.#emitter.fire("session", session);
      },
    };
    for (const name in handlers) {
      socket.on(name, handlers[name]);
    }
    this.#detach = () => {
      for (const name in handlers) {
        socket.removeListener(name, handlers[name]);
      }
    };
    this.#socket = socket;
    this.#subscriptions.attach(socket);
    if (connectionOf(socket).connected) {
      onConnect();
    }
  }

  /** Closes the connection. The callbacks stay, for connect(). */
  close() {
    const socket = this.#socket;
    (socket?.close ?? socket?.disconnect)?.call(socket);
  }

  /**
   * @param {any} error of the contract, or of a socket of any version
   * @param {string} [channel]
   */
  #fail(error, channel) {
    const { code, message } = error.data ?? error;
    const told = { code: code ?? "connect_failed", message: message ?? error.message ?? String(error), channel };
    if (!this.#emitter.fire("error", told) && code) {
      console.error("SB:", told);
    }
  }
}
