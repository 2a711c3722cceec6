// The pages of the repository: each link within it leads to a file, and to a
// heading that is there.

import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { root, run } from "./support.mjs";

/** The anchor that GitHub gives a heading. */
const anchor = (heading) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[`*]/g, "")
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
    .replaceAll(" ", "-");

/** A page without what stands in blocks of code. */
const prose = async (path) => (await readFile(path, "utf8")).replace(/^```.*?^```/gms, "");

const anchors = async (path) => [...(await prose(path)).matchAll(/^#+ (.*)$/gm)].map((m) => anchor(m[1]));

test("every link within the repository", async () => {
  const { stdout } = await run("git", ["ls-files", "-co", "--exclude-standard", "*.md"], { cwd: root });
  const pages = stdout.trim().split("\n");
  const broken = [];
  let links = 0;
  for (const page of pages) {
    for (const [, target] of (await prose(join(root, page))).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?|mailto):/.test(target)) continue;
      links++;
      const [path, heading] = target.split("#");
      const file = path ? join(root, dirname(page), path) : join(root, page);
      const there = await access(file).then(
        () => !relative(root, file).startsWith(".."),
        () => false,
      );
      if (!there || (heading && !(await anchors(file)).includes(heading))) broken.push(`${page}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
  assert.ok(pages.length > 10 && links > 50, `${links} links in ${pages.length} pages were found`);
});
