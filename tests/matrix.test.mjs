// Every version of socket.io-client on every transport against the server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { kinds, versions } from "./matrix/clients.mjs";
import { startMatrixServer } from "./matrix/server.mjs";
import { everyCell, markdown } from "./matrix/table.mjs";

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
  console.log(markdown(results));
});

// 0.9 has another word for it, and 1.0 is of the table alone.
test("kicked", async (t) => {
  const rows = versions.slice(versions.findIndex((row) => row.version === "1.4.8"));
  const results = await everyCell("kickAll", await startMatrixServer(t), rows);
  for (const { row, cells } of results) {
    for (const kind of kinds) await t.test(`${row.version} ${kind}, 50 of 50`, () => assert.deepEqual(cells[kind], []));
  }
});
