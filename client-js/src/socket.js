/**
 * A connection that comes back by itself: Socket.IO 5, default namespace
 * (PROTOCOL.md chapter 5), over either transport. To its user it looks like a
 * stock socket: on, removeListener, emit with an ack, connected, connect,
 * close, and the events connect, disconnect and connect_error.
 */

import { callAll, Emitter } from "./emitter.js";
import { transports } from "./transports.js";

/**
 * @typedef {import("../sb.js").Options} Options
 * @typedef {import("./transports.js").Transport} Transport
 */

const openTimeout = 4000; // ms to the handshake, where another transport can be tried instead
const patientTimeout = 20000; // ms to the handshake, where none can
const fallbackTime = 600000; // ms for which a transport that failed is not the first to be tried
const stableTime = 5000; // ms a connection lasts for the delays to start anew
const wakeEvents = ["online", "pageshow", "visibilitychange"];

/**
 * Where a server takes its connections.
 *
 * @param {string} url of the server, which options.path is relative to
 * @param {Options} options
 */
export const addressOf = (url, { path = "/socket.io/" }) =>
  new URL(path, new URL(url, globalThis.location?.href)).href.replace(/^ws/, "http").replace(/\/?$/, "/");

export class Socket extends Emitter {
  connected = false;

  /** @type {string} */
  #url;
  /** @type {Options} */
  #options;

  /** @type {Transport | undefined} also while it is being opened */
  #transport;
  /** @type {ReturnType<typeof setTimeout> | undefined} of the handshake, the next ping, or the next try */
  #timer;
  #deadline = 0; // when the timer is due
  #patience = 0; // ms from one ping to the next

  #again = false; // whether to come back
  #failures = 0; // since the last stable connection
  #connectedAt = 0;
  #lastGood = ""; // the transport that opened last
  #fallbackUntil = 0; // see #order

  /** @type {Map<string, (...args: any[]) => void>} by id; of this connection */
  #acks = new Map();
  #nextAck = 0;

  #guest = ""; // the token that makes us the same guest again

  /**
   * @param {string} url of the server, which options.path is relative to
   * @param {Options} options
   */
  constructor(url, options) {
    super();
    this.#options = options;
    this.#url = addressOf(url, options);
    const key = `sb-guest ${this.#url}`;
    // Storage may be forbidden, full, or not there at all; then a guest lasts as long as the page.
    try {
      this.#guest = localStorage[key];
    } catch {}
    this.on("$session", ({ guest }) => {
      if (guest) {
        this.#guest = guest;
        try {
          localStorage[key] = guest;
        } catch {}
      }
    });
  }

  /** Connects, and stays connected until close(), or until the server says to go. */
  connect() {
    if (!this.#transport) {
      for (const event of wakeEvents) {
        globalThis.addEventListener?.(event, this.#wake);
      }
      this.#open(this.#order());
    }
  }

  close() {
    this.#end("io client disconnect", false);
  }

  /**
   * Sends an event; a function at the end gets the answer. For while connected.
   *
   * @param {string} name
   * @param {...any} args
   */
  emit(name, ...args) {
    let id = "";
    if (typeof args[args.length - 1] === "function") {
      id = String(this.#nextAck++);
      this.#acks.set(id, args.pop());
    }
    this.#transport?.send(`42${id}${JSON.stringify([name, ...args])}`);
  }

  /**
   * The transports to try, in order. The first choice, once it has worked on
   * this page, is tried three times alone, so that the restart of a server
   * leaves nobody on polling. One that failed where another did not comes last
   * for a while.
   */
  #order() {
    const all = this.#options.transports ?? ["websocket", "polling"];
    if (this.#lastGood === all[0] && this.#failures < 3) {
      return [all[0]];
    }
    return this.#lastGood && Date.now() < this.#fallbackUntil ? [...new Set([this.#lastGood, ...all])] : all;
  }

  /**
   * Tries the first of names, and the rest if it does not open.
   *
   * @param {readonly string[]} names
   */
  #open([name, ...rest]) {
    let opened = false;
    /** @param {string} reason */
    const onEnd = (reason) => {
      if (opened || !rest.length) {
        this.#end(reason, true);
      } else {
        this.#transport?.close();
        this.#fallbackUntil = Date.now() + fallbackTime;
        this.#open(rest);
      }
    };
    /** @param {string} packet */
    const onPacket = (packet) => {
      try {
        const type = packet[0];
        if (type === "0") {
          const { pingInterval, pingTimeout } = JSON.parse(packet.slice(1));
          this.#patience = pingInterval + pingTimeout;
          this.#lastGood = name;
          opened = true;
          this.#greet();
        }
        if (type === "2") {
          this.#transport?.send("3");
        }
        if (type === "0" || type === "2") {
          // Only a ping shows that the server still knows us (PROTOCOL.md 2.7).
          this.#setTimer(this.#patience, () => onEnd("ping timeout"));
        } else if (type === "4") {
          this.#message(packet.slice(1));
        }
      } catch {
        onEnd("parse error");
      }
    };
    this.#transport = transports[name](this.#url, this.#options, onPacket, onEnd);
    this.#setTimer(rest.length ? openTimeout : patientTimeout, () => onEnd("timeout"));
  }

  /** Sends CONNECT, once the token is there. */
  async #greet() {
    const transport = this.#transport;
    const { token } = this.#options;
    try {
      const auth = { token: typeof token === "function" ? await token() : token, guest: this.#guest || undefined };
      if (transport === this.#transport) {
        transport?.send(`40${JSON.stringify(auth)}`);
      }
    } catch (error) {
      if (transport === this.#transport) {
        this.#end("transport close", true, error);
      }
    }
  }

  /** @param {string} packet of Socket.IO */
  #message(packet) {
    const [, type, id, json] = /^(\d)(\d*)(.*)$/s.exec(packet) ?? [];
    if (type === "0") {
      this.connected = true;
      this.#connectedAt = Date.now();
      this.fire("connect");
    } else if (type === "1") {
      const reason = "io server disconnect";
      this.#end(reason, false, new Error(reason));
    } else if (type === "2") {
      const [name, ...args] = JSON.parse(json);
      this.fire(name, ...args);
    } else if (type === "3") {
      const ack = this.#acks.get(id);
      this.#acks.delete(id);
      callAll(new Set(ack && [ack]), ...JSON.parse(json));
    } else if (type === "4") {
      const refusal = JSON.parse(json);
      // A token that was refused once, and cannot change, is not shown again.
      const final = typeof this.#options.token === "string" && /^(bad_token|expired)$/.test(refusal.data?.code);
      this.#end("transport close", !final, refusal);
    }
  }

  /**
   * Ends the connection, or the attempt; again is whether to come back.
   *
   * @param {string} reason
   * @param {boolean} again
   * @param {unknown} [error] of an attempt
   */
  #end(reason, again, error = again && new Error(reason)) {
    const { connected } = this;
    this.connected = false;
    this.#transport?.close();
    this.#transport = undefined;
    this.#acks.clear();
    clearTimeout(this.#timer);
    this.#again = again;
    if (again) {
      if (connected && Date.now() - this.#connectedAt > stableTime) {
        this.#failures = 0;
      }
      // Exponential, with full jitter: the first within a second, by default.
      const { reconnectDelay = 500, reconnectDelayMax = 30000 } = this.#options;
      const delay = Math.min(reconnectDelay * 2 ** ++this.#failures, reconnectDelayMax);
      this.#setTimer(Math.random() * delay, () => this.connect());
    } else {
      for (const event of wakeEvents) {
        globalThis.removeEventListener?.(event, this.#wake);
      }
    }
    if (connected) {
      this.fire("disconnect", reason);
    } else if (error) {
      this.fire("connect_error", error);
    }
  }

  /**
   * @param {number} delay
   * @param {() => void} callback
   */
  #setTimer(delay, callback) {
    clearTimeout(this.#timer);
    this.#deadline = Date.now() + delay;
    this.#timer = setTimeout(callback, delay);
  }

  /**
   * The network, or the page, is back: a machine that slept may be past its
   * deadline without its timer having run.
   *
   * @param {Event} event
   */
  #wake = (event) => {
    if (event.type === "visibilitychange" && document.hidden) {
      return;
    }
    if (this.#transport && Date.now() > this.#deadline) {
      this.#end("ping timeout", true);
    }
    if (this.#again) {
      this.connect();
    }
  };
}
