// Blocks of code that are no commands: each is read by what it is written for.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, run } from "../support.mjs";

/** Gives a folder to do something in. */
async function within(work) {
  const dir = await mkdtemp(join(tmpdir(), "block-"));
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** Runs a program over a file with the code in it. It has to say that all is well. */
const checked = (name, code, command, ...args) =>
  within(async (dir) => {
    await writeFile(join(dir, name), code);
    await run(command, [...args, join(dir, name)], { cwd: dir });
  });

/** A module or a script; a page may have either. */
async function script(code, module) {
  const name = module ? "block.mjs" : "block.cjs";
  await checked(name, code, process.execPath, "--check");
}

async function js(code) {
  await script(code, true).catch(() => script(code, false));
}

/** Every script has an end, and those that stand there parse. */
async function html(code) {
  const scripts = [...code.matchAll(/<script\b([^>]*)>(.*?)<\/script>/gs)];
  assert.equal(scripts.length, code.match(/<script\b/g)?.length ?? 0, "a script has no end");
  for (const [, attributes, text] of scripts) {
    if (!/\bsrc=/.test(attributes)) await script(text, /type="?module/.test(attributes));
  }
}

/** One value, or one on each line. */
function json(code) {
  try {
    JSON.parse(code);
  } catch {
    for (const line of code.trim().split("\n")) JSON.parse(line);
  }
}

/** nginx itself reads it, in the block that it belongs in, and listens where nobody else does. */
const nginx = (code) =>
  within(async (dir) => {
    const map = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }";
    const whole = /^\s*(http|events) \{/m.test(code);
    const http = /^\s*server \{/m.test(code) ? code : `${map} server { listen 80; ${code} }`;
    const text = whole ? code : `events {} http { access_log off; ${http} }`;
    let sockets = 0;
    const own = text.replaceAll(/\blisten [^;]+;/g, () => `listen unix:${dir}/${sockets++};`);
    const file = join(dir, "conf");
    await writeFile(file, `pid ${dir}/pid; error_log stderr;\n${own}`);
    await run("/usr/sbin/nginx", ["-t", "-p", dir, "-c", file]);
  });

/** A unit of systemd, which has to find nothing wrong with it. */
const ini = (code) =>
  within(async (dir) => {
    const file = join(dir, /system\/([\w@.-]+)$/m.exec(code)[1].replace("@.", "@a."));
    await writeFile(file, code.replaceAll("/usr/local/bin/stream-server", binary));
    const { stdout, stderr } = await run("systemd-analyze", ["verify", "--man=no", file]);
    assert.equal(stdout + stderr, "");
  });

/** A file of Go, or its declarations, or a part of a function; the latter two may have imports above. */
async function go(code) {
  const [, imports, rest] = /^((?:import (?:\(.*?^\)|.*?)\n\s*)*)(.*)$/ms.exec(code);
  const declared = /^(func|type|var|const) /m.test(rest) ? rest : `func f() {\n${rest}\n}`;
  const whole = /^package /m.test(code) ? code : `package p\n${imports}\n${declared}`;
  await checked("block.go", whole, "gofmt", "-e");
}

/** Nothing to run or to read: what is printed, or part of a file that another test takes from the document. */
const text = () => {};

export const languages = {
  js,
  html,
  json,
  nginx,
  ini,
  go,
  text,
  http: text,
  yaml: (code) => checked("block.yaml", code, "ruby", "-ryaml", "-e", "YAML.load_file(ARGV[0])"),
  php: (code) => checked("block.php", code, "php", "-l"),
  python: (code) => checked("block.py", code, "/usr/bin/python3", "-m", "py_compile"),
  ruby: (code) => checked("block.rb", code, "ruby", "-c"),
};
