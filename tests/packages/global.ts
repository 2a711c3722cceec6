/** Compiled, never run: a page with the script tag of /sb.js. */

import type {} from "stream-server-client/sb.js";

SB.comet("a", (data, { position }) => console.log(data, position?.length));
new SB.Client("https://stream.example.org").close();
// @ts-expect-error: it is the server's to say
SB.session = null;
