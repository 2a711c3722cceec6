// Every command of every document, run as it stands there, and every other
// block of code, read by what it is written for.
//
// A new document needs nothing here as long as its commands are of a kind that
// tests/documents/rules.mjs knows, and name what tests/documents/substitutions.mjs
// has something for. A command that is neither known nor claimed below fails.

import assert from "node:assert/strict";
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { blocks, commands, documents, spans } from "./documents/blocks.mjs";
import { languages } from "./documents/languages.mjs";
import { end, rules } from "./documents/rules.mjs";
import { World } from "./documents/world.mjs";
import { root, run } from "./support.mjs";

/** Commands that another test runs, which has to read the document for it. */
const claims = {
  "docs/from-go-socket.io.md": [/^sed -i '.*' main\.go$/, "tests/gosocketio/guide_test.go"],
  "docs/from-laravel-echo-server.md": [/^npx laravel-echo-server /, "tests/moving.test.mjs"],
};

/** What commands print, where more is to be said of it than that they worked. */
const says = [
  ["docs/cluster-health.md", "/readyz", /^ok\n$/],
  ["docs/console.md", "of=node", /"alone"|"node"/],
  ["docs/doctor.md", "--json", /"fail": ?0\b/],
  ["docs/operations.md", "health", /^ok$/m],
  ["docs/presence.md", "/members", /^\{"channel":"room:7","members":\[\{"member":"42","sessions":1,"present":true\}\]/],
  ["docs/security-operators.md", "prefix=feed:", /"channel":"feed:football:fantasy","sessions":2.*"answered":2/],
  ["docs/security-operators.md", "/api/channels/", /"channel":"zimmer\/é","sessions":2,"members":1.*"answered":2/],
  ["docs/security-operators.md", "/api/members/", /^\{"member":"42".*"answered":2/],
  ["docs/security-operators.md", "/api/unsubscribe", /^\{"sessions":2,"nodes":2,"answered":2\}$/m],
  ["docs/security-operators.md", "/api/disconnect", /^\{"sessions":2,"nodes":2,"answered":2\}$/m],
  ["docs/why.md", "why", /^feed:football:fantasy on node/m],
];

const pages = await documents();
const code = (await Promise.all(pages.map(blocks))).flat();

test("the commands", { concurrency: 3 }, async (t) => {
  const found = code.filter(({ language }) => language === "sh").flatMap(commands);
  assert.ok(found.length >= 70, `only ${found.length} commands were found`);
  const claimed = ({ document, text }) => claims[document]?.[0].test(text);
  await Promise.all(
    pages.map((page) => {
      const own = found.filter((command) => command.document === page && !claimed(command));
      return own.length && t.test(page, { timeout: 120_000 }, (tt) => play(tt, page, own));
    }),
  );
});

const wanted = (page, text) =>
  says.filter(([of, part]) => of === page && text.includes(part)).map(([, , want]) => want);

async function play(t, page, own) {
  const world = await World.create(t, own.map(({ text }) => text).join("\n"));
  for (const { line, text } of own) {
    const where = `${page}:${line}: ${text}`;
    const rule = rules.find(({ is }) => is.test(text));
    assert.ok(rule, `${where}\nno rule says how to run this, and no test claims it`);
    try {
      const out = await rule.runs(world, text);
      for (const want of wanted(page, text)) assert.match(out, want);
    } catch (error) {
      error.message = `${where}\n${error.message}`;
      throw error;
    }
  }
  await end(world);
}

test("what is claimed is run, and what is to be said is there", async () => {
  const all = code.filter(({ language }) => language === "sh").flatMap(commands);
  for (const [page, part] of says) {
    assert.ok(
      all.some(({ document, text }) => document === page && text.includes(part)),
      `${page} has no command with ${part}`,
    );
  }
  for (const [page, [pattern, file]] of Object.entries(claims)) {
    const there = code.filter(({ document }) => document === page).flatMap(commands);
    assert.ok(
      there.some(({ text }) => pattern.test(text)),
      `${page} has no command like ${pattern}`,
    );
    const source = await readFile(join(root, file), "utf8");
    assert.ok(source.includes(page.replace("docs/", "")), `${file} does not read ${page}`);
  }
});

test("the other blocks of code", { concurrency: 4 }, async (t) => {
  const others = code.filter(({ language }) => language !== "sh" && language !== "");
  assert.ok(others.length >= 45, `only ${others.length} blocks were found`);
  await Promise.all(
    others.map((block) =>
      t.test(`${block.document}:${block.line}: ${block.language}`, () => {
        assert.ok(languages[block.language], "no check for this language, in tests/documents/languages.mjs");
        return languages[block.language](block.code);
      }),
    ),
  );
});

test("the tests and targets that the prose names", async () => {
  let checked = 0;
  for (const page of pages) {
    for (const span of await spans(page)) {
      const [, target] = /^make ([a-z]+)\b/.exec(span) ?? [];
      const [, file] = /\bnode --test (\S+)$/.exec(span) ?? [];
      const [, path] = /\bgo test .*(\.\/\S+)$/.exec(span) ?? [];
      if (target) await run("make", ["-n", target], { cwd: root });
      else if (file) await access(join(root, file));
      else if (path) await areThere(span, path);
      else continue;
      checked++;
    }
  }
  assert.ok(checked >= 15, `only ${checked} were found`);
});

/** The tests and benchmarks that `go test` is to run stand in the package. */
async function areThere(span, path) {
  const files = (await readdir(join(root, path))).filter((name) => name.endsWith("_test.go"));
  const source = (await Promise.all(files.map((name) => readFile(join(root, path, name), "utf8")))).join("\n");
  const named = [...span.matchAll(/-(run|bench) '?([^' ]+)'?/g)].filter(([, , names]) => names !== "xxx");
  assert.ok(named.length, span);
  for (const [, flag, names] of named) {
    const kind = flag === "run" ? "Test" : "Benchmark";
    for (const name of names.split("|")) {
      const begins = `^func ${kind}\\w*${name.replace(kind, "").replace("$", "\\(")}`;
      assert.ok(new RegExp(begins, "m").test(source), `${span}: ${path} has no ${begins}`);
    }
  }
}
