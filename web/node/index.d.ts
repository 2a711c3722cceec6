// biome-ignore-all lint/suspicious/noExplicitAny: what the two libraries have in common.

/** The web server's side of the stream server: https://github.com/sb-stream/stream-server */

/** A client of `redis`, or of `ioredis`, of one Redis or of a cluster. */
export type Redis =
  | { publish(...args: any[]): any; xAdd(...args: any[]): any }
  | { publish(...args: any[]): any; xadd(...args: any[]): any };

export interface Options {
  /** Before every channel's name, as the stream server's --redis-prefix; "sb:" by default. */
  prefix?: string;
  /** Streams of durable messages, as the stream server's --stream-partitions; 1 by default, at most 256. */
  partitions?: number;
  /** Durable messages that Redis keeps in each, about; 100000 by default. */
  streamMax?: number;
  /** Milliseconds for one call; 2000 by default. After that the message may have been published nevertheless. */
  timeout?: number;
}

/** Sends messages through one Redis. Its methods may be called at any time. */
export declare class Publisher {
  /**
   * With an address, redis:// or rediss://, it connects by the package `redis` when it is first used; the default is
   * where a stream server without a Redis listens. A client is the caller's to connect and to close.
   * Throws a TypeError for what is neither, or a bad option.
   */
  constructor(redis?: string | Redis, options?: Options);

  /**
   * Sends data, as JSON, to everybody who listens to channel: one PUBLISH. Resolves with Redis's answer, the number of
   * its subscribers; it does not say that anybody heard it. Rejects with a TypeError for what no channel can be called
   * or what has no JSON, and with the library's error if Redis does not take it.
   */
  stream(channel: string, data: unknown, options?: { durable?: false }): Promise<number>;
  /** The same, and Redis keeps it for those who are away: one XADD. Resolves with its id. */
  stream(channel: string, data: unknown, options: { durable: true }): Promise<string>;

  /** Closes the connection, unless it is the caller's. */
  close(): Promise<void>;
}

/** Publisher.stream, through the Redis of SB_REDIS, SB_REDIS_PREFIX, SB_STREAM_PARTITIONS and SB_STREAM_MAX. */
export declare const stream: Publisher["stream"];

/** Closes the connection of stream(), so that a program can end. */
export declare function close(): Promise<void>;
