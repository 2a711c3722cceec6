/** Compiled, never run: both packages by TypeScript's own require. */

import shim = require("stream-server-client");
import web = require("stream-server-web");

const client: shim.Client = new shim.SB.Client("https://stream.example.org");
const publisher: web.Publisher = new web.Publisher();
publisher.stream("a", client.session).then((n: number) => n.toFixed());
