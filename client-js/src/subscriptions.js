/**
 * The channels somebody listens to, and what the server has been told of them
 * (DESIGN.md section 2).
 */

import { callAll } from "./emitter.js";

/**
 * @typedef {import("../sb.js").Callback} Callback
 * @typedef {import("../sb.js").Gap} Gap
 * @typedef {import("../sb.js").Here} Here
 * @typedef {import("../sb.js").StockSocket} StockSocket
 * @typedef {import("./positions.js").Positions} Positions
 *
 * @typedef {object} Channel
 * @property {string} tag
 * @property {Set<Callback>} callbacks
 * @property {Set<(here: Here, meta: { channel: string }) => void>} watchers who want to know who is here, so that we are too
 * @property {Here} [here] who is
 * @property {number} seenIn the connection in which the server was last asked for that
 * @property {string} [position] of the last message, or where the server said we begin
 * @property {number} askedIn the connection in which the server was last asked for it
 * @property {number} heardIn the connection in which it last became ours
 * @property {boolean} refused and not asked for again since
 * @property {boolean} joined whether it ever was ours, so that something may be missed
 * @property {boolean} resumes whether its position is to outlive the page
 * @property {(data: any, position?: string) => void} deliver
 *
 * @typedef {{ channel: Channel, again: boolean, joined: boolean, position?: string }} Asked a channel as it was when asked for
 */

const batchChannels = 128; // in one subscribe; the server's limit for a client
const batchLength = 16000; // of tags and positions in it, so that it stays below 64 KiB of UTF-8
const busyDelay = 2000; // ms, up to twice that, until a server that is only busy is asked again

export class Subscriptions {
  /** @type {Map<string, Channel>} by tag */
  #channels = new Map();
  /** @type {Set<Asked[]>} subscribes of this connection without an answer */
  #asking = new Set();
  /** @type {Channel[]} of which the server is still to be told that nobody wants them */
  #left = [];
  /** @type {StockSocket | undefined} */
  #socket;
  #connection = 0; // counts connections
  #connected = false;
  #syncing = false;

  #onNeed;
  #onGap;
  #onError;
  #positions;

  /**
   * @param {() => void} onNeed there is no socket, and a channel
   * @param {(gap: Gap) => void} onGap
   * @param {(error: any, channel?: string) => void} onError
   * @param {Positions} positions
   */
  constructor(onNeed, onGap, onError, positions) {
    this.#onNeed = onNeed;
    this.#onGap = onGap;
    this.#onError = onError;
    this.#positions = positions;
  }

  /**
   * @param {Iterable<string>} tags
   * @param {Callback} callback not there yet
   * @param {boolean} resumes whether to go on where the page before ended
   */
  add(tags, callback, resumes) {
    for (const tag of tags) {
      const channel = this.#channel(tag);
      channel.callbacks.add(callback);
      if (resumes && !channel.resumes) {
        channel.resumes = true;
        if (channel.askedIn) {
          this.#keep(channel); // It is where it is.
        } else {
          channel.position = this.#positions.load(tag);
          channel.joined = !!channel.position;
        }
      }
      if (channel.refused) {
        channel.askedIn = 0; // Things may have changed: ask again.
      }
    }
    this.#syncSoon();
  }

  /**
   * @param {Iterable<string>} tags
   * @param {(here: Here, meta: { channel: string }) => void} watcher not there yet
   */
  watch(tags, watcher) {
    for (const tag of tags) {
      const channel = this.#channel(tag);
      channel.watchers.add(watcher);
      if (channel.refused) {
        channel.askedIn = 0;
      }
      queueMicrotask(() => {
        if (channel.here && channel.watchers.has(watcher)) {
          callAll(new Set([watcher]), channel.here, { channel: tag });
        }
      });
    }
    this.#syncSoon();
  }

  /**
   * @param {Iterable<string>} tags
   * @param {(...args: any[]) => void} callback of add or watch
   */
  remove(tags, callback) {
    for (const tag of tags) {
      this.#channels.get(tag)?.callbacks.delete(callback);
      this.#channels.get(tag)?.watchers.delete(callback);
    }
    this.#syncSoon();
  }

  /**
   * Who is in a channel by now.
   *
   * @param {string} tag
   * @param {Here} [told]
   */
  here(tag, told) {
    const channel = this.#channels.get(tag);
    if (channel && told) {
      const { members, count, guests } = told;
      const here = { members, count, guests };
      if (JSON.stringify(here) !== JSON.stringify(channel.here)) {
        channel.here = here;
        callAll(channel.watchers, here, { channel: tag });
      }
    }
  }

  /**
   * Some came, or went.
   *
   * @param {{ channel: string, members: string[], guests: number }} news
   * @param {boolean} [left]
   */
  joined({ channel, members, guests }, left) {
    const here = this.#channels.get(channel)?.here;
    if (here) {
      const all = (here.members ?? []).filter((id) => !members.includes(id)).concat(left ? [] : members);
      this.here(channel, { members: all.sort(), count: all.length, guests });
    }
  }

  /**
   * The server has ended the subscription.
   *
   * @param {string} tag
   */
  refuse(tag) {
    const channel = this.#channels.get(tag);
    if (channel) {
      channel.refused = true;
      channel.here = undefined;
    }
  }

  /** Asks again for what was refused: we are somebody else now. */
  retry() {
    for (const channel of this.#channels.values()) {
      if (channel.refused) {
        channel.askedIn = 0;
      }
    }
    this.#syncSoon();
  }

  /** @param {StockSocket} socket instead of the one before */
  attach(socket) {
    this.#connected = false;
    this.#connection++; // Whatever it has recovered is not ours.
    for (const { tag, deliver } of this.#channels.values()) {
      this.#socket?.removeListener(tag, deliver);
      socket.on(tag, deliver);
    }
    this.#socket = socket;
  }

  /**
   * The socket has connected, and the server knows nothing of us; or of what we
   * were, if that was recovered, as stock sockets of 4.6 and later can be: then
   * we have what we missed already.
   *
   * @param {boolean} [recovered]
   */
  connected(recovered) {
    this.#connected = true;
    const before = this.#connection++;
    if (!recovered) {
      this.#left = [];
    }
    for (const channel of this.#channels.values()) {
      if (recovered && channel.heardIn === before) {
        channel.askedIn = channel.heardIn = this.#connection;
        if (channel.seenIn === before) {
          channel.seenIn = before + 1; // $presence comes
        }
      }
    }
    this.#sync();
  }

  disconnected() {
    this.#connected = false;
    for (const asked of this.#asking) {
      for (const { channel, joined, position } of asked) {
        if (joined && channel.position !== position) {
          // Messages have come, and nobody will say any more what is missing before them.
          this.#onGap({ channel: channel.tag, reason: "not_recovered" });
        }
      }
    }
    this.#asking.clear();
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
      watchers: new Set(),
      seenIn: 0,
      askedIn: 0,
      heardIn: 0,
      refused: false,
      joined: false,
      resumes: false,
      deliver: (data, position) => {
        channel.joined = true;
        channel.position = position ?? channel.position;
        this.#keep(channel);
        callAll(channel.callbacks, data, { channel: tag, position });
      },
    };
    this.#channels.set(tag, channel);
    this.#socket?.on(tag, channel.deliver);
    return channel;
  }

  /** @param {Channel} channel whose position may have changed */
  #keep({ tag, resumes, position }) {
    if (resumes && position) {
      this.#positions.save(tag, position);
    }
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
    const unseen = [];
    for (const channel of this.#channels.values()) {
      if (!channel.callbacks.size && !channel.watchers.size) {
        this.#channels.delete(channel.tag);
        this.#socket?.removeListener(channel.tag, channel.deliver);
        if (channel.resumes) {
          this.#positions.forget(channel.tag);
        }
        if (channel.askedIn === this.#connection) {
          this.#left.push(channel);
        }
      } else if (
        channel.askedIn !== this.#connection ||
        (channel.watchers.size && channel.seenIn !== this.#connection)
      ) {
        join.push(channel);
      } else if (!channel.watchers.size && channel.seenIn === this.#connection) {
        unseen.push(channel);
        channel.seenIn = 0;
        channel.here = undefined;
      }
    }
    if (this.#connected) {
      for (const batch of batches(this.#left.splice(0))) {
        this.#socket?.emit("unsubscribe", tagsOf(batch));
      }
      for (const batch of batches(unseen)) {
        this.#socket?.emit("subscribe", tagsOf(batch), { presence: false });
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
      const asked = batch.map((channel) => {
        const again = channel.askedIn === connection; // because of who is here: it begins nowhere
        return { channel, again, joined: channel.joined && !again, position: channel.position };
      });
      const from = asked.filter((a) => a.position && !a.again);
      const since = Object.fromEntries(from.map((a) => [a.channel.tag, a.position]));
      const presence = tagsOf(batch.filter((channel) => channel.watchers.size));
      for (const channel of batch) {
        channel.askedIn = connection;
        channel.seenIn = channel.watchers.size ? connection : 0;
        channel.refused = false;
      }
      this.#asking.add(asked);
      const options = presence.length ? { since, presence } : { since };
      this.#socket?.emit("subscribe", tagsOf(batch), options, (/** @type {any} */ answer) => {
        this.#asking.delete(asked);
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
        channel.heardIn = this.#connection;
        if (channel.position === position) {
          // No message has come before the answer, so this is where we are.
          channel.position = answer?.position ?? position;
          this.#keep(channel);
        }
        if (joined && !answer?.recovered) {
          this.#onGap({ channel: channel.tag, reason: "not_recovered" });
        }
        this.here(channel.tag, answer?.presence);
      }
    } else if (/^(unavailable|rate_limited)$/.test(error.code)) {
      this.#onError(error);
      const connection = this.#connection;
      setTimeout(
        () => {
          if (this.#connected && connection === this.#connection) {
            this.#askAgain(wanted);
          }
        },
        busyDelay * (1 + Math.random()),
      );
    } else {
      // A list is refused as a whole: without the one that was at fault, it is asked for again.
      const faulty = asked.some(({ channel }) => channel.tag === error.channel);
      const others = [];
      for (const one of wanted) {
        const { channel } = one;
        if (faulty && channel.tag !== error.channel) {
          others.push(one);
        } else {
          channel.refused = true;
          this.#onError(error, channel.tag);
        }
      }
      this.#askAgain(others);
    }
  }

  /** @param {Asked[]} list that was not to be had */
  #askAgain(list) {
    for (const { channel, again } of list) {
      channel.seenIn = 0;
      if (!again) {
        channel.askedIn = 0;
      }
    }
    this.#sync();
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
