// biome-ignore-all lint/suspicious/noExplicitAny: data is whatever was published.

/** The browser's side of the stream server: https://github.com/sb-stream/stream-server */

/** What a callback is told besides the data. */
export interface Meta {
  /** The channel that the message was published on. */
  channel: string;
  /** Where the message stands in it; opaque. */
  position?: string;
}

export type Callback<Data = any> = (data: Data, meta: Meta) => void;

/** Options of one subscription. Unknown ones are ignored. */
export interface CometOptions {
  /**
   * "session": where the page is in the channel is kept in sessionStorage, so that after a reload of the page, or a
   * visit to another one in the same tab, the callback gets what was published meanwhile, or "gap" tells that not all
   * of it can be had. Without it a new page begins with the next message.
   */
  resume?: "session";
  /** Be seen in the channel by those who ask for its presence. */
  presence?: boolean;
  [option: string]: unknown;
}

export interface Options {
  /** The server's path, "/socket.io/" by default. */
  path?: string;
  /**
   * Who you are, as a JWT. A function is asked at every connection, so that it can give a fresh one; a string that
   * was refused is not tried again.
   */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** What to try, in this order; both by default. */
  transports?: readonly ("websocket" | "polling")[];
  /** Whether polling sends cookies to a server on another origin; false by default. */
  withCredentials?: boolean;
  /** Milliseconds; the first reconnect comes within twice that, 500 by default. */
  reconnectDelay?: number;
  /** Milliseconds; 30000 by default. */
  reconnectDelayMax?: number;
  /** In place of the global one, for surroundings without. */
  WebSocket?: new (
    url: string,
  ) => WebSocket;
  /** In place of the global one, for surroundings without. */
  fetch?: typeof fetch;
}

/** Who the server takes you for. */
export interface Session {
  /** Of this connection. */
  id: string;
  /** Of the member, or of the guest. */
  member: string;
  /** The token by which a guest is the same guest next time; it is kept for you. */
  guest?: string;
  /** What you may hear beyond the public ends, or has ended: identify again. A token function is asked by itself. */
  expired?: boolean;
}

/** Who is in a channel. */
export interface Here {
  /** Ids, sorted, each once; null in a channel of very many. */
  members: string[] | null;
  /** How many members. */
  count: number;
  guests: number;
}

/** Messages of the channel may have been missed: reload its state. */
export interface Gap {
  channel: string;
  reason: string;
}

export interface StreamError {
  /**
   * One of the server's words, such as "forbidden", or "expired" for a channel that has been taken away;
   * "connect_failed" when it was not reached.
   */
  code: string;
  message: string;
  /** The channel that was refused, if it was one. */
  channel?: string;
}

/** What is needed of a socket of socket.io-client, any version. */
export interface StockSocket {
  connected?: boolean;
  recovered?: boolean;
  on(event: string, callback: (...args: any[]) => void): unknown;
  removeListener(event: string, callback: (...args: any[]) => void): unknown;
  emit(event: string, ...args: any[]): unknown;
  connect?(): unknown;
  close?(): unknown;
  disconnect?(): unknown;
}

export declare class Client {
  /** A client of one server; it connects when it is first needed. */
  constructor(url: string, options?: Options);

  /** What the server took you for last; null before the first connection. */
  readonly session: Session | null;

  /**
   * Calls callback for every message of the channel, or channels, from now on. The function it returns stops it.
   * Throws a TypeError for what cannot be a channel.
   */
  comet<Data = any>(channel: string | readonly string[], callback: Callback<Data>): () => void;
  comet<Data = any>(channel: string | readonly string[], options: CometOptions, callback: Callback<Data>): () => void;

  /**
   * Is seen in the channel, or channels, and calls callback with who is there, now and whenever that changes. The
   * function it returns stops it. While the connection is away, who was there last still is.
   */
  presence(channel: string | readonly string[], callback: (here: Here, meta: { channel: string }) => void): () => void;

  /** Listens to what happens to the connection. The function it returns stops it. */
  on(event: "connect", callback: () => void): () => void;
  on(event: "disconnect", callback: (reason: string) => void): () => void;
  on(event: "gap", callback: (gap: Gap) => void): () => void;
  on(event: "error", callback: (error: StreamError) => void): () => void;
  on(event: "session", callback: (session: Session) => void): () => void;

  /**
   * Connects now, to another server or with other options if some are given; also after close(), and after the server
   * sent you away. Callbacks stay.
   */
  connect(url?: string | null, options?: Options): void;

  /** Goes on over a socket of socket.io-client; hand it over before it has connected. The one before is closed. */
  use(socket: StockSocket): void;

  /**
   * Tells the server who you are by now, without a new connection: with a token; or by your cookies, after you have
   * logged in or out. Channels that were refused are asked for again. Rejects with the server's error.
   */
  identify(token?: string): Promise<void>;

  /** Closes the connection. Callbacks stay, for connect(). */
  close(): void;
}

/** The client of the server that this file was loaded from; of the page's own server, in a package. */
export declare const SB: Client & {
  /** For pages that talk to several servers. */
  readonly Client: typeof Client;
};

export declare const comet: typeof SB.comet;
export declare const connect: typeof SB.connect;
export declare const identify: typeof SB.identify;
export declare const on: typeof SB.on;
export declare const presence: typeof SB.presence;
export declare const use: typeof SB.use;
