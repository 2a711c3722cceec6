/**
 * The channels somebody listens to, and what the server has been told of them
 * (DESIGN.md section 2).
 */

import { callAll } from "./emitter.js";

/**
 * @typedef {import("../sb.js").Callback} Callback
 * @typedef {import("../sb.js").Gap} Gap
 * @typedef {import("../sb.js").StockSocket} StockSocket
 *
 * @typedef {object} Channel
 * @property {string} tag
 * @property {Set<Callback>} callbacks
 * @property {string} [position] of the last message, or where the server said we begin
 * @property {number} askedIn the connection in which the server was last asked for it
 * @property {boolean} refused and not asked for again since
 * @property {boolean} joined whether it ever was ours, so that something may be missed
 * @property {(data: any, position?: string) => void} deliver
 *
 * @typedef {{ channel: Channel, joined: boolean, position?: string }} Asked a channel as it was when asked for
 */

const batchChannels = 128; // in one subscribe; the server's limit for a client
const batchLength = 16000; // of tags and positions in it, so that it stays below 64 KiB of UTF-8
const busyDelay = 2000; // ms, up to twice that, until a server that is only busy is asked again

export class Subscriptions {
  /** @type {Map<string, Channel>} by tag */
  #channels = new Map();
  /** @type {StockSocket | undefined} */
  #socket;
  #connection = 0; // counts connections
  #connected = false;
  #syncing = false;

  #onNeed;
  #onGap;
  #onError;

  /**
   * @param {() => void} onNeed there is no socket, and a channel
   * @param {(gap: Gap) => void} onGap
   * @param {(error: any, channel?: string) => void} onError
   */
  constructor(onNeed, onGap, onError) {
    this.#onNeed = onNeed;
    this.#onGap = onGap;
    this.#onError = onError;
  }

  /**
   * @param {Iterable<string>} tags
   * @param {Callback} callback not there yet
   */
  add(tags, callback) {
    for (const tag of tags) {
      const channel = this.#channel(tag);
      channel.callbacks.add(callback);
      if (channel.refused) {
        channel.askedIn = 0; // Things may have changed: ask again.
      }
    }
    this.#syncSoon();
  }

  /**
   * @param {Iterable<string>} tags
   * @param {Callback} callback
   */
  remove(tags, callback) {
    for (const tag of tags) {
      this.#channels.get(tag)?.callbacks.delete(callback);
    }
    this.#syncSoon();
  }

  /** @param {StockSocket} socket instead of the one before */
  attach(socket) {
    this.#connected = false;
    for (const { tag, deliver } of this.#channels.values()) {
      this.#socket?.removeListener(tag, deliver);
      socket.on(tag, deliver);
    }
    this.#socket = socket;
  }

  /** The socket has connected, and the server knows nothing of us. */
  connected() {
    this.#connected = true;
    this.#connection++;
    this.#sync();
  }

  disconnected() {
    this.#connected = false;
  }

  /**
   * The channel of that tag, made if it is not there.
   *
   * @param {string} tag
   */
  #channel(tag) {
    const found = this.#channels.get(tag);
    if (found) {
      return found;
    }
    /** @type {Channel} */
    const channel = {
      tag,
      callbacks: new Set(),
      askedIn: 0,
      refused: false,
      joined: false,
      deliver: (data, position) => {
        channel.joined = true;
        channel.position = position ?? channel.position;
        callAll(channel.callbacks, data, { channel: tag, position });
      },
    };
    this.#channels.set(tag, channel);
    this.#socket?.on(tag, channel.deliver);
    return channel;
  }

  /** Tells the server at the end of this turn, so that what is asked for together goes together. */
  #syncSoon() {
    if (!this.#syncing) {
      this.#syncing = true;
      queueMicrotask(() => {
        this.#syncing = false;
        this.#sync();
      });
    }
  }

  /** Asks the server for what it has not been asked for, and takes back what nobody wants. */
  #sync() {
    const join = [];
    const leave = [];
    for (const channel of this.#channels.values()) {
      if (!channel.callbacks.size) {
        this.#channels.delete(channel.tag);
        this.#socket?.removeListener(channel.tag, channel.deliver);
        if (channel.askedIn === this.#connection) {
          leave.push(channel);
        }
      } else if (channel.askedIn !== this.#connection) {
        join.push(channel);
      }
    }
    if (this.#connected) {
      for (const batch of batches(leave)) {
        this.#socket?.emit("unsubscribe", tagsOf(batch));
      }
      this.#subscribe(join);
    } else if (!this.#socket && this.#channels.size) {
      this.#onNeed();
    }
  }

  /** @param {Channel[]} channels */
  #subscribe(channels) {
    const connection = this.#connection;
    for (const batch of batches(channels)) {
      const asked = batch.map((channel) => ({ channel, joined: channel.joined, position: channel.position }));
      const since = Object.fromEntries(asked.filter((a) => a.position).map((a) => [a.channel.tag, a.position]));
      for (const channel of batch) {
        channel.askedIn = connection;
        channel.refused = false;
      }
      this.#socket?.emit("subscribe", tagsOf(batch), { since }, (/** @type {any} */ answer) => {
        if (this.#connected && connection === this.#connection) {
          this.#onAnswer(asked, answer);
        }
      });
    }
  }

  /**
   * @param {Asked[]} asked in one subscribe
   * @param {any} answer
   */
  #onAnswer(asked, { ok, error, channels = {} }) {
    // What was left, or left and wanted anew, is no longer of this answer.
    const wanted = asked.filter(({ channel }) => this.#channels.get(channel.tag) === channel);
    if (ok) {
      for (const { channel, joined, position } of wanted) {
        const answer = channels[channel.tag];
        channel.joined = true;
        if (channel.position === position) {
          // No message has come before the answer, so this is where we are.
          channel.position = answer?.position ?? position;
        }
        if (joined && !answer?.recovered) {
          this.#onGap({ channel: channel.tag, reason: "not_recovered" });
        }
      }
    } else if (/^(unavailable|rate_limited)$/.test(error.code)) {
      this.#onError(error);
      const connection = this.#connection;
      setTimeout(
        () => {
          if (this.#connected && connection === this.#connection) {
            this.#subscribe(wanted.map((a) => a.channel).filter((channel) => channel.callbacks.size));
          }
        },
        busyDelay * (1 + Math.random()),
      );
    } else {
      // A list is refused as a whole: without the one that was at fault, it is asked for again.
      const faulty = asked.some(({ channel }) => channel.tag === error.channel);
      const others = [];
      for (const { channel } of wanted) {
        if (faulty && channel.tag !== error.channel) {
          others.push(channel);
        } else {
          channel.refused = true;
          this.#onError(error, channel.tag);
        }
      }
      this.#subscribe(others);
    }
  }
}

/** @param {Channel[]} channels */
const tagsOf = (channels) => channels.map(({ tag }) => tag);

/**
 * Cuts a list into what one message may hold.
 *
 * @param {Channel[]} channels
 */
function batches(channels) {
  /** @type {Channel[][]} */
  const all = [];
  let length = batchLength;
  for (const channel of channels) {
    const more = 2 * channel.tag.length + (channel.position?.length ?? 0);
    length += more;
    const last = all[all.length - 1];
    if (length > batchLength || last.length === batchChannels) {
      all.push([channel]);
      length = more;
    } else {
      last.push(channel);
    }
  }
  return all;
}
