// The documents of the repository, and the blocks of code in them.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { root, run } from "../support.mjs";

/** The paths of all documents, those that are not committed yet too. */
export async function documents() {
  const { stdout } = await run("git", ["ls-files", "-co", "--exclude-standard", "*.md"], { cwd: root });
  return stdout.trim().split("\n");
}

/** The blocks of a document: their language, the line that they begin on, and what is in them. */
export async function blocks(document) {
  const found = [];
  let open;
  for (const [i, line] of (await readFile(join(root, document), "utf8")).split("\n").entries()) {
    const [, indent, language] = /^( *)```(.*)$/.exec(line) ?? [];
    if (indent === undefined) {
      open?.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
    } else if (open) {
      found.push({ document, language: open.language, line: open.line, code: `${open.lines.join("\n")}\n` });
      open = undefined;
    } else {
      open = { indent, language: language.trim(), line: i + 1, lines: [] };
    }
  }
  if (open) throw new Error(`${document}:${open.line}: the block has no end`);
  return found;
}

/** What is said in `backticks` in the prose of a document. */
export async function spans(document) {
  const text = (await readFile(join(root, document), "utf8")).replace(/^ *```.*?^ *```/gms, "");
  return [...text.matchAll(/`([^`]+)`/g)].map(([, span]) => span.replaceAll(/\s+/g, " "));
}

/** The commands of a block for the shell: a line each, with those that it goes on in, and without comments. */
export function commands({ document, line, code }) {
  const found = [];
  let text = "";
  for (const [i, part] of code.split("\n").entries()) {
    text += part;
    const { open, end } = scan(text);
    if (open) {
      text += "\n";
    } else if (/\\$/.test(part)) {
      text = text.replace(/ *\\$/, " ");
    } else {
      const command = text
        .slice(0, end)
        .trim()
        .replaceAll(/ {2,}(?=-)/g, " ");
      if (command) found.push({ document, line: line + 1 + i, text: command });
      text = "";
    }
  }
  return found;
}

/** Whether a quote is open at the end of a text of the shell, and where its comment begins. */
function scan(text) {
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quote) {
      if (c === quote) quote = "";
    } else if (c === "'" || c === '"') {
      quote = c;
    } else if (c === "#" && (i === 0 || text[i - 1] === " ")) {
      return { open: false, end: i };
    }
  }
  return { open: quote !== "", end: text.length };
}
