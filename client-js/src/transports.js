/**
 * The two ways of Engine.IO 4 packets (PROTOCOL.md chapters 2 and 4), as
 * functions of one shape. Each opens a connection at once and hands over every
 * packet, the handshake first. It reports its end once, never after close(),
 * and never before the function has returned.
 *
 * @typedef {{ send: (packet: string) => void, close: () => void }} Transport
 * @typedef {{
 *   withCredentials?: boolean,
 *   WebSocket?: new (url: string) => WebSocket,
 *   fetch?: typeof fetch,
 * }} TransportOptions
 * @typedef {(
 *   url: string,
 *   options: TransportOptions,
 *   onPacket: (packet: string) => void,
 *   onEnd: (reason: string) => void,
 * ) => Transport} Open
 */

/**
 * The length of text in bytes of UTF-8, which is how the server counts.
 *
 * @param {string} text
 */
export const byteLength = (text) => new TextEncoder().encode(text).length;

/** @type {Open} */
function websocket(url, options, onPacket, onEnd) {
  const WebSocket = options.WebSocket ?? globalThis.WebSocket;
  let over = false;
  /** @param {string} reason */
  const end = (reason) => {
    if (!over) {
      over = true;
      onEnd(reason);
    }
  };
  /** @type {WebSocket} */
  let socket;
  try {
    socket = new WebSocket(`${url.replace(/^http/, "ws")}?EIO=4&transport=websocket`);
    // An error is always followed by close; the one that never opened says so
    // by its reason.
    socket.onerror = () => end("transport error");
    socket.onclose = () => end("transport close");
    // One packet per frame.
    socket.onmessage = ({ data }) => over || onPacket(data);
  } catch {
    // There is none, or a content security policy forbids it.
    setTimeout(end, 0, "transport error");
  }
  return {
    send(packet) {
      socket.send(packet);
    },
    close() {
      over = true;
      socket?.close();
    },
  };
}

/** @type {Open} */
function polling(url, options, onPacket, onEnd) {
  const request = options.fetch ?? globalThis.fetch;
  const abort = new AbortController();
  /** @type {string[]} */
  const queue = [];
  let session = ""; // the sid, as a part of the query
  let maxPayload = Infinity; // of a POST, in bytes
  let waiting = false; // for the answer of a GET
  let posting = false;
  let over = false;
  let count = 0;

  /**
   * One GET, or one POST of body.
   *
   * @param {string} [body]
   * @param {AbortSignal | null} [signal]
   */
  const ask = async (body, signal = abort.signal) => {
    const cacheBuster = `${Date.now().toString(36)}.${count++}`;
    // A string is text/plain, so no preflight is made for a server elsewhere.
    const answer = await request(`${url}?EIO=4&transport=polling&t=${cacheBuster}${session}`, {
      method: body === undefined ? "GET" : "POST",
      body,
      credentials: options.withCredentials ? "include" : "same-origin",
      signal,
    });
    if (!answer.ok) {
      throw new Error(`HTTP ${answer.status}`);
    }
    return answer.text();
  };

  const end = (reason = "transport error") => {
    if (!over) {
      over = true;
      abort.abort();
      onEnd(reason);
    }
  };

  // One GET at a time, until the transport ends.
  const poll = async () => {
    while (!over) {
      waiting = true;
      const payload = await ask();
      waiting = false;
      for (const packet of payload.split("\x1e")) {
        if (packet[0] === "0") {
          const handshake = JSON.parse(packet.slice(1));
          session = `&sid=${encodeURIComponent(handshake.sid)}`;
          maxPayload = handshake.maxPayload || maxPayload;
        }
        if (packet === "1") {
          end("transport close");
        } else if (!over) {
          onPacket(packet);
        }
      }
    }
  };

  // One POST at a time, each as full as maxPayload allows, until nothing waits.
  const post = async () => {
    if (posting) {
      return;
    }
    posting = true;
    await null; // What is sent in this turn goes in one POST.
    while (queue.length && !over) {
      let packets = 0;
      let size = -1; // The first has no separator before it.
      do {
        size += 1 + byteLength(queue[packets++]);
      } while (packets < queue.length && size + 1 + byteLength(queue[packets]) <= maxPayload);
      await ask(queue.splice(0, packets).join("\x1e"));
    }
    posting = false;
  };

  poll().catch(() => end());
  return {
    send(packet) {
      queue.push(packet);
      post().catch(() => end());
    },
    close() {
      if (!over) {
        over = true;
        abort.abort();
        // The server ends a session whose poll goes away, and must be told where there is none (PROTOCOL.md 2.5).
        if (!waiting) {
          ask("1", null).catch(() => {});
        }
      }
    },
  };
}

/** @type {Record<string, Open>} */
export const transports = { websocket, polling };
