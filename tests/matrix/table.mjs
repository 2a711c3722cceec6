// The whole table and how it is printed.

import { inThread } from "./cell.mjs";
import { kinds, versions } from "./clients.mjs";
import { stepsOf } from "./steps.mjs";

/**
 * One of the tasks of cell.mjs for every version on every transport, so many
 * versions at once: `{ row, cells: { P, W, D } }` each.
 */
export async function everyCell(task, url, rows = versions, atOnce = rows.length) {
  const results = [];
  const waiting = rows.entries();
  const work = async () => {
    for (const [i, row] of waiting) {
      const cells = {};
      for (const kind of kinds) cells[kind] = await inThread(task, row, url, kind);
      results[i] = { row, cells };
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}

const names = { P: "polling", W: "WebSocket", D: "default" };

/** The steps passed of those there are, as a table of Markdown. */
export function markdown(results) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const lines = [line(["", ...results.map(({ row }) => row.version)]), `|---${"|---".repeat(results.length)}|`];
  for (const kind of kinds) {
    const passed = ({ row, cells }) => `${stepsOf(row).length - cells[kind].length}/${stepsOf(row).length}`;
    lines.push(line([names[kind], ...results.map(passed)]));
  }
  return lines.join("\n");
}

/** Why the steps missed were, a line each. */
export function reasons(results) {
  const lines = [];
  for (const { row, cells } of results) {
    for (const kind of kinds) {
      const cell = cells[kind][0]?.step === "connect" ? cells[kind].slice(0, 1) : cells[kind];
      for (const { step, error, own } of cell) {
        lines.push(`- ${row.version} ${names[kind]}, ${step}: ${own ? "its own bug: " : ""}${error}`);
      }
    }
  }
  return lines.join("\n");
}
