// Prints the matrix of a server: `node tests/matrix/run.mjs URL [VERSION…]`, or
// --reference in place of URL for npm socket.io 4.8.4.

import { versions } from "./clients.mjs";
import { startReference } from "./reference.mjs";
import { everyCell, markdown, reasons } from "./table.mjs";

const [target, ...wanted] = process.argv.slice(2);
if (!target) {
  console.error("usage: node tests/matrix/run.mjs URL|--reference [VERSION…]");
  process.exit(2);
}
const url = target === "--reference" ? (await startReference()).url : target;
const rows = versions.filter((row) => wanted.length === 0 || wanted.includes(row.version));
const results = await everyCell("walk", url, rows);
console.log(`${markdown(results)}\n\n${reasons(results)}`);
process.exit(0);
