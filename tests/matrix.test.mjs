// Every version of socket.io-client on every transport against the server.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { kinds, versions } from "./matrix/clients.mjs";
import { startMatrixServer } from "./matrix/server.mjs";
import { everyCell, markdown, reasons } from "./matrix/table.mjs";
import { root } from "./support.mjs";

test("all steps", async (t) => {
  const results = await everyCell("walk", await startMatrixServer(t));
  for (const { row, cells } of results) {
    for (const kind of kinds) {
      await t.test(`${row.version} ${kind}`, () =>
        assert.deepEqual(
          cells[kind].filter((missed) => !missed.own),
          [],
        ),
      );
    }
  }
  console.log(`${markdown(results)}\n\n${reasons(results)}`);
  await t.test("README.md has this table", () => inReadme(markdown(results)));
});

// `make matrix` writes it there.
async function inReadme(table) {
  const path = join(root, "README.md");
  const readme = await readFile(path, "utf8");
  const written = readme.replace(
    /(<!-- matrix -->\n).*?(\n<!-- \/matrix -->)/s,
    (_, before, after) => before + table + after,
  );
  if (process.env.SB_WRITE_README) await writeFile(path, written);
  else assert.equal(readme, written);
  assert.ok(readme.includes("<!-- matrix -->"));
}

// 0.9 has another word for it, and 1.0 is of the table alone.
test("kicked", async (t) => {
  const rows = versions.slice(versions.findIndex((row) => row.version === "1.4.8"));
  const results = await everyCell("kickAll", await startMatrixServer(t), rows, 2); // 50 clients of each
  for (const { row, cells } of results) {
    for (const kind of kinds) await t.test(`${row.version} ${kind}, 50 of 50`, () => assert.deepEqual(cells[kind], []));
  }
});
