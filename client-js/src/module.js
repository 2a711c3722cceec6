/** What /sb.mjs is: SB for the server that this file came from, and its parts by name. */

import { Client } from "./client.js";

// Relative, for a server below a prefix of its proxy.
export const SB = Object.assign(new Client(import.meta.url, { path: "socket.io/" }), { Client });
export const comet = SB.comet.bind(SB);
export const connect = SB.connect.bind(SB);
export const identify = SB.identify.bind(SB);
export const on = SB.on.bind(SB);
export const presence = SB.presence.bind(SB);
export const use = SB.use.bind(SB);
export { Client };
