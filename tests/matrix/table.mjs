// The whole table and how it is printed.

import { inThread } from "./cell.mjs";
import { kinds, versions } from "./clients.mjs";
import { stepsOf } from "./steps.mjs";

/**
 * One of the tasks of cell.mjs for every version on every transport, the
 * versions at once: `{ row, cells: { P, W, D } }` each.
 */
export function everyCell(task, url, rows = versions) {
  const overRow = async (row) => {
    const cells = {};
    for (const kind of kinds) cells[kind] = await inThread(task, row, url, kind);
    return { row, cells };
  };
  return Promise.all(rows.map(overRow));
}

/** The steps passed, as Markdown, and below them why those missed were. */
export function markdown(results) {
  const lines = ["| socket.io-client | steps | P/W/D |", "|---|---|---|"];
  const missed = [];
  for (const { row, cells } of results) {
    const total = stepsOf(row).length;
    lines.push(`| ${row.version} | ${total} | ${kinds.map((kind) => total - cells[kind].length).join("/")} |`);
    for (const kind of kinds) {
      const cell = cells[kind][0]?.step === "connect" ? cells[kind].slice(0, 1) : cells[kind];
      for (const { step, error, own } of cell) {
        missed.push(`- ${row.version} ${kind}, ${step}: ${own ? "its own bug: " : ""}${error}`);
      }
    }
  }
  return [...lines, ...(missed.length ? ["", ...missed] : [])].join("\n");
}
