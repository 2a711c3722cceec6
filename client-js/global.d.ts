/** What the classic script sets: `import type {} from "stream-server-client/sb.js"` makes it known. */

type Shim = typeof import("./sb.js").SB;

declare global {
  var SB: Shim;
}

export {};
