// The server under test: the Go program of tests/matrix/server.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root, run, start } from "../support.mjs";

/** Builds it and runs it until the test ends; the answer is its address. */
export async function startMatrixServer(t) {
  const dir = await mkdtemp(join(tmpdir(), "matrix-"));
  t.after(() => rm(dir, { recursive: true }));
  const program = join(dir, "server");
  await run("go", ["build", "-o", program, "./tests/matrix/server"], { cwd: root });
  const { child, ended } = start(t, program, ["--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  const listening = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const said = /^listening on (http:\/\/\S+)$/.exec(line);
      if (said) resolve(said[1]);
    });
  });
  return Promise.race([listening, ended.then(([code]) => assert.fail(`the matrix server ended with ${code}`))]);
}
