/**
 * What SB is. It works on our own socket or on a stock one: on, removeListener,
 * emit, connect and close are all it needs of it.
 */

import { Emitter } from "./emitter.js";
import { Positions } from "./positions.js";
import { addressOf, Socket } from "./socket.js";
import { Subscriptions } from "./subscriptions.js";
import { byteLength } from "./transports.js";

/**
 * @typedef {import("../sb.js").Callback} Callback
 * @typedef {import("../sb.js").Here} Here
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

/**
 * The channels that somebody names.
 *
 * @param {string | readonly string[]} channel
 * @param {unknown} callback
 */
function tagsOf(channel, callback) {
  if (typeof callback !== "function") {
    throw new TypeError("SB: the last argument is a function");
  }
  const tags = /** @type {string[]} */ ([]).concat(channel);
  for (const tag of tags) {
    if (typeof tag !== "string" || !tag || byteLength(tag) > 255 || reserved.test(tag)) {
      throw new TypeError(`SB: not a channel: ${JSON.stringify(tag)}`);
    }
  }
  return tags;
}

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
    new Positions((tag) => `sb-position ${addressOf(this.#url, this.#options)} ${tag}`),
  );

  /**
   * @param {string} url of the server
   * @param {Options} [options]
   */
  constructor(url, options = {}) {
    this.#url = url;
    this.#options = { ...options };
  }

  /**
   * Calls callback for every message of the channel, or channels, from now on.
   *
   * @param {string | readonly string[]} channel
   * @param {...any} rest an object of options, if there are any, and the callback
   * @returns {() => void} stops it
   */
  comet(channel, ...rest) {
    const callback = rest.pop();
    const [options] = rest;
    const tags = tagsOf(channel, callback);
    // Its own function each time, so that each is stopped alone.
    /** @type {Callback} */
    const call = (data, meta) => callback(data, meta);
    this.#subscriptions.add(tags, call, options?.resume === "session");
    if (options?.presence) {
      const stop = this.presence(channel, () => {});
      return () => {
        this.#subscriptions.remove(tags, call);
        stop();
      };
    }
    return () => this.#subscriptions.remove(tags, call);
  }

  /**
   * Is seen in the channel, or channels, and calls callback with who is there,
   * now and whenever that changes.
   *
   * @param {string | readonly string[]} channel
   * @param {(here: Here, meta: { channel: string }) => void} callback
   * @returns {() => void} stops it
   */
  presence(channel, callback) {
    const tags = tagsOf(channel, callback);
    /** @type {typeof callback} */
    const call = (here, meta) => callback(here, meta);
    this.#subscriptions.watch(tags, call);
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
      this.#subscriptions.connected(socket.recovered);
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
      $join: (news) => this.#subscriptions.joined(news),
      $leave: (news) => this.#subscriptions.joined(news, true),
      $presence: (here) => this.#subscriptions.here(here.channel, here),
      $session: (session) => {
        this.session = session;
        this.#emitter.fire("session", session);
        if (!session.expired) {
          this.#subscriptions.retry();
        } else if (typeof this.#options.token === "function") {
          this.#renew();
        }
      },
      $expired: ({ channel, reason }) => {
        this.#subscriptions.refuse(channel);
        this.#fail({ code: "expired", message: `the server has ended it: ${reason}` }, channel);
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

  /**
   * Tells the server who we are by now, without a new connection: with a token,
   * or, after somebody has logged in or out, by the cookies that it may read.
   *
   * @param {string} [token]
   */
  async identify(token) {
    if (token) {
      this.#options.token = token; // for the next connection
    } else {
      const path = this.#options.path?.[0] === "/" || !this.#options.path ? "/api/identify" : "api/identify";
      const address = new URL(path, new URL(this.#url, globalThis.location?.href)).href.replace(/^ws/, "http");
      const answer = await (this.#options.fetch ?? fetch)(address, { method: "POST", credentials: "include" });
      const { token: ticket, error } = await answer.json();
      if (!ticket) {
        throw Object.assign(new Error(error.message), error);
      }
      token = ticket;
    }
    await this.#identify(token);
  }

  /** Asks for a fresh token, before what the old one opened is closed. */
  async #renew() {
    try {
      await this.#identify(await /** @type {() => any} */ (this.#options.token)());
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {string | undefined} token */
  async #identify(token) {
    const socket = this.#socket;
    if (token && socket && connectionOf(socket).connected) {
      const { error } = await new Promise((resolve) => {
        const gone = () => done({}); // The next connection brings what we have.
        /** @param {any} answer */
        const done = (answer) => {
          socket.removeListener("disconnect", gone);
          resolve(answer);
        };
        socket.on("disconnect", gone);
        socket.emit("identify", token, done);
      });
      if (error) {
        throw Object.assign(new Error(error.message), error);
      }
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
