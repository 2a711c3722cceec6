/**
 * The web server's side, as the package web is for Go: one Redis PUBLISH, or
 * XADD, for those who listen to a channel.
 */

import { Buffer } from "node:buffer";
import { once } from "node:events";
import { env } from "node:process";

/**
 * @typedef {import("./index.js").Redis} Redis
 * @typedef {import("./index.js").Options} Options
 */

/** Where a stream server without a Redis takes what web servers publish. */
const defaultURL = "redis://127.0.0.1:6380";
const maxPartitions = 256;

// As internal/tags has them: printable is what Go's unicode.IsPrint is.
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u;
const taken = new Set(
  `connect connect_error connect_failed connect_timeout connecting disconnect disconnecting error newListener
  removeListener ping pong reconnect reconnect_attempt reconnect_error reconnect_failed reconnecting
  subscribe unsubscribe identify message`.split(/\s+/),
);

export class Publisher {
  #prefix;
  #partitions;
  #streamMax;
  #timeout;

  /** @type {string | undefined} until it is connected to */
  #url;
  /** @type {any} */
  #redis;
  /** @type {Promise<unknown> | undefined} of the first try to connect */
  #opening;
  #closed = false;

  /**
   * @param {string | Redis} [redis] an address, or a client that is the caller's to connect and to close
   * @param {Options} [options]
   */
  constructor(redis = defaultURL, { prefix = "sb:", partitions = 1, streamMax = 100_000, timeout = 2000 } = {}) {
    if (typeof redis === "string") {
      if (!/^rediss?:\/\//.test(redis)) {
        throw new TypeError("stream-server-web: the address is not redis:// or rediss://"); // it may hold a password
      }
      this.#url = redis;
    } else if (typeof redis?.publish !== "function" || !("xadd" in redis || "xAdd" in redis)) {
      throw new TypeError("stream-server-web: neither a client of redis or ioredis, nor an address");
    } else if (/** @type {any} */ (redis).options?.keyPrefix) {
      throw new TypeError("stream-server-web: a keyPrefix changes the names of streams: give a client without");
    } else {
      this.#redis = redis;
    }
    check("partitions", partitions, maxPartitions);
    check("streamMax", streamMax);
    check("timeout", timeout);
    this.#prefix = prefix;
    this.#partitions = partitions;
    this.#streamMax = streamMax;
    this.#timeout = timeout;
  }

  /**
   * @param {string} channel
   * @param {unknown} data
   * @param {{ durable?: boolean }} [options]
   * @returns {Promise<any>}
   */
  async stream(channel, data, { durable = false } = {}) {
    checkChannel(channel);
    const json = JSON.stringify(data);
    if (json === undefined) {
      throw new TypeError(`stream-server-web: ${typeof data} has no JSON`);
    }
    if (this.#closed) {
      throw new Error("stream-server-web: the publisher is closed");
    }
    const redis = await this.#connected();
    return this.#inTime(durable ? this.#add(redis, channel, json) : redis.publish(this.#prefix + channel, json));
  }

  /** Closes the connection, if it is our own. */
  async close() {
    this.#closed = true;
    if (this.#url && this.#redis?.isOpen) {
      await (this.#redis.isReady ? this.#redis.close() : this.#redis.destroy());
    }
  }

  /**
   * @param {any} redis
   * @param {string} channel
   * @param {string} json
   * @returns {Promise<string>}
   */
  #add(redis, channel, json) {
    const key = this.#partitions > 1 ? `stream:{${crc16(channel) % this.#partitions}}` : "stream";
    const [name, most] = [this.#prefix + key, this.#streamMax];
    if ("xadd" in redis) {
      return redis.xadd(name, "MAXLEN", "~", most, "*", "channel", channel, "data", json);
    }
    const trim = { strategy: "MAXLEN", strategyModifier: "~", threshold: most };
    return redis.xAdd(name, "*", { channel, data: json }, { TRIM: trim });
  }

  /** The client. Our own connects when it is first used, and again by itself; a call while it is away is refused. */
  async #connected() {
    if (this.#url && !this.#opening) {
      this.#opening = this.#open(this.#url);
      // The client goes on trying, and refuses what comes meanwhile; without the library there is none.
      this.#opening.catch(() => {
        this.#opening = this.#redis && Promise.resolve();
      });
    }
    if (!this.#redis?.isReady) {
      await this.#opening;
    }
    return this.#redis;
  }

  /** @param {string} url */
  async #open(url) {
    const { createClient } = await import("redis").catch(() => {
      throw new Error("stream-server-web: for an address, the package redis is needed; or give a client of your own");
    });
    if (this.#closed) {
      throw new Error("stream-server-web: the publisher is closed");
    }
    const client = createClient({ url, disableOfflineQueue: true });
    client.on("error", () => {}); // The calls that fail say so themselves.
    const ready = once(client, "ready"); // or the first error
    client.connect().catch(() => {}); // It tries until it is closed.
    this.#redis = client;
    await ready;
  }

  /**
   * @template T
   * @param {Promise<T>} answer
   * @returns {Promise<T>}
   */
  async #inTime(answer) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const late = new Promise((_, reject) => {
      const error = new Error(`stream-server-web: Redis did not answer within ${this.#timeout} ms`);
      timer = setTimeout(reject, this.#timeout, error);
    });
    try {
      return await Promise.race([answer, /** @type {Promise<never>} */ (late)]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** @type {Publisher | undefined} */
let ours;

/** The publisher that the environment tells of, as it does to the stream server. */
function fromEnvironment() {
  const { SB_REDIS, SB_REDIS_PREFIX, SB_STREAM_PARTITIONS, SB_STREAM_MAX } = env;
  return new Publisher(SB_REDIS || undefined, {
    prefix: SB_REDIS_PREFIX,
    partitions: Number(SB_STREAM_PARTITIONS || 1),
    streamMax: Number(SB_STREAM_MAX || 100_000),
  });
}

/**
 * @param {string} channel
 * @param {unknown} data
 * @param {{ durable?: boolean }} [options]
 * @returns {Promise<any>}
 */
export async function stream(channel, data, options) {
  ours ??= fromEnvironment();
  return ours.stream(channel, data, options);
}

/** Closes the connection that stream() has made; the next call makes another. */
export async function close() {
  const publisher = ours;
  ours = undefined;
  await publisher?.close();
}

/**
 * @param {string} name
 * @param {number} value
 * @param {number} [most]
 */
function check(name, value, most = 2 ** 31 - 1) {
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new TypeError(`stream-server-web: ${name} is a number from 1 to ${most}`);
  }
}

/** @param {string} channel which the stream servers would refuse otherwise, and nobody would know */
function checkChannel(channel) {
  if (
    typeof channel !== "string" ||
    !printable.test(channel) ||
    Buffer.byteLength(channel) > 255 ||
    /^ | $|,|^\$|^__/.test(channel) ||
    taken.has(channel)
  ) {
    throw new TypeError(
      `stream-server-web: not the name of a channel: ${String(JSON.stringify(channel)).slice(0, 255)}`,
    );
  }
}

/**
 * CRC-16 as Redis Cluster computes it, which is where a channel's stream comes from.
 *
 * @param {string} text
 */
function crc16(text) {
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
    }
  }
  return crc;
}
