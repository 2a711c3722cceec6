/** What /sb.js is: a classic script that sets SB, for the server that it came from. */

import { Client } from "./client.js";

const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
// Relative, for a server below a prefix of its proxy.
const client = script?.src ? new Client(script.src, { path: "socket.io/" }) : new Client(location.href);
globalThis.SB = Object.assign(client, { Client });
