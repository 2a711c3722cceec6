// The two npm packages, as others get them: packed, installed into an empty
// project, imported and required there, compiled in every module mode, and run
// against a real server.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { createGzip } from "node:zlib";
import { build } from "esbuild";
import { publint } from "publint";
import ts from "typescript";
import { newPage, servePage } from "./browser.mjs";
import { eventually, redisCli, root, run, start, startRedis, startServer } from "./support.mjs";

const budget = 6 * 1024; // bytes gzipped of what a page loads
const packages = { "stream-server-client": "client-js", "stream-server-web": "web/node" };
const tarballs = {};
/** An empty project, with both in it. */
let project = "";

before(async () => {
  project = await mkdtemp(join(tmpdir(), "project-"));
  await writeFile(join(project, "package.json"), '{"private":true}');
  for (const [name, folder] of Object.entries(packages)) {
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", project], { cwd: join(root, folder) });
    const [packed] = JSON.parse(stdout.slice(stdout.indexOf("[")));
    assert.equal(packed.name, name);
    tarballs[name] = { path: join(project, packed.filename), files: packed.files.map((file) => file.path).sort() };
  }
  const paths = Object.values(tarballs).map((tarball) => tarball.path);
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", ...paths], { cwd: project });
});
after(() => rm(project, { recursive: true }));

const installed = (name, file) => join(project, "node_modules", name, file);
const gzipped = async (path) => (await buffer(createReadStream(path).pipe(createGzip({ level: 9 })))).length;

test("what is in them", async () => {
  assert.deepEqual(tarballs["stream-server-web"].files, [
    ...["LICENSE", "README.md", "index.cjs", "index.d.cts", "index.d.ts", "index.js", "package.json"],
  ]);
  const { files } = tarballs["stream-server-client"];
  const built = ["index.cjs", "index.mjs", "sb.js"].flatMap((name) => [`dist/${name}`, `dist/${name}.map`]);
  for (const file of ["LICENSE", "README.md", "sb.d.ts", "global.d.ts", "dist/index.d.cts", ...built]) {
    assert.ok(files.includes(file), `it has no ${file}`);
  }
  for (const file of files) {
    assert.match(file, /^(LICENSE|README\.md|package\.json|(sb|global)\.d\.ts|src\/\w+\.js|dist\/(index|sb)\.[\w.]+)$/);
  }
  const licence = await readFile(join(root, "LICENSE"), "utf8");
  for (const name of Object.keys(packages)) {
    assert.equal(await readFile(installed(name, "LICENSE"), "utf8"), licence);
    const { dependencies } = JSON.parse(await readFile(installed(name, "package.json"), "utf8"));
    assert.equal(dependencies, undefined);
  }
  for (const file of built.filter((name) => !name.endsWith(".map"))) {
    const size = await gzipped(installed("stream-server-client", file));
    assert.ok(size > 1000 && size <= budget, `${file} is ${size} bytes gzipped, of ${budget}`);
  }
});

for (const name of Object.keys(packages)) {
  test(`${name}: what linters of packages say`, async () => {
    const { messages } = await publint({ pkgDir: installed(name, "."), strict: true, pack: false });
    assert.deepEqual(messages, []);
    // sb.js is a classic script, which nobody requires.
    const args = ["--exclude-entrypoints", "sb.js", "--format", "json", tarballs[name].path];
    const { stdout } = await run(join(root, "node_modules/.bin/attw"), args);
    const { analysis, problems } = JSON.parse(stdout);
    assert.ok(analysis.entrypoints["."].resolutions["node16-cjs"]);
    assert.deepEqual(problems ?? {}, {});
  });
}

test("source maps", async () => {
  const name = "stream-server-client";
  for (const file of ["index.mjs", "index.cjs", "sb.js"]) {
    const map = JSON.parse(await readFile(installed(name, `dist/${file}.map`), "utf8"));
    assert.ok(map.sources.length >= 7);
    for (const [i, source] of map.sources.entries()) {
      const text = await readFile(installed(name, join("dist", source)), "utf8");
      assert.ok(!map.sourcesContent || map.sourcesContent[i] === text, source);
    }
  }
  for (const code of [`require("${name}").SB.comet("a")`, `import("${name}").then(({ SB }) => SB.comet("a"))`]) {
    const failed = await run("node", ["--enable-source-maps", "-e", code], { cwd: project }).catch((error) => error);
    assert.match(failed.stderr, /the last argument is a function(.|\n)*stream-server-client[/]src[/]client\.js:\d+/);
  }
});

const listen = `
  SB.connect(process.argv[2]);
  SB.on("connect", () => console.log("connected"));
  SB.comet("feed", (data) => { console.log(JSON.stringify(data)); SB.close(); });`;
const programs = {
  "client.mjs": `import { Client, comet, SB } from "stream-server-client";
    if (!(SB instanceof Client) || !comet) throw new Error("not SB");${listen}`,
  "client.cjs": `const { Client, comet, SB } = require("stream-server-client");
    if (!(SB instanceof Client) || !comet) throw new Error("not SB");${listen}`,
  "web.mjs": `import { Redis } from "ioredis";
    import { Publisher, stream, close } from "stream-server-web";
    const redis = new Redis(process.env.SB_REDIS);
    console.log(await new Publisher(redis).stream("feed", 1), await stream("feed", 2, { durable: true }));
    redis.disconnect();
    await close();`,
  "web.cjs": `const { createClient } = require("redis");
    const { Publisher, stream, close } = require("stream-server-web");
    (async () => {
      const redis = await createClient({ url: process.env.SB_REDIS }).connect();
      console.log(await new Publisher(redis).stream("feed", 1), await stream("feed", 2, { durable: true }));
      await redis.close();
      await close();
    })();`,
};

test("they run in Node", async (t) => {
  const server = await startServer(t);
  for (const name of ["client.mjs", "client.cjs"]) {
    await writeFile(join(project, name), programs[name]);
    const { child } = start(t, "node", [name, server.url], { cwd: project });
    const ended = once(child, "close"); // and all that it said has come
    let said = "";
    child.stdout.on("data", (text) => (said += text));
    child.stderr.on("data", (text) => (said += text));
    const publish = () => redisCli(server.broker, "PUBLISH", "sb:feed", '{"é":"😀"}');
    await eventually(`${name} listens`, async () => child.exitCode !== null || (await publish()) === "1");
    assert.equal((await ended)[0], 0, said);
    assert.equal(said, 'connected\n{"é":"😀"}\n');
  }
  await withRedis();
  const redis = await startRedis(t);
  for (const name of ["web.mjs", "web.cjs"]) {
    await writeFile(join(project, name), programs[name]);
    const env = { ...process.env, SB_REDIS: redis.url };
    const { stdout } = await run("node", [name], { cwd: project, env });
    assert.match(stdout, /^0 \d+-\d+\n$/);
  }
});

/** Puts both Redis libraries beside what is installed. */
async function withRedis() {
  await mkdir(join(project, "node_modules/@types"), { recursive: true });
  for (const name of ["redis", "ioredis", "@types/node"]) {
    await symlink(join(root, "node_modules", name), join(project, "node_modules", name)).catch((error) => {
      assert.equal(error.code, "EEXIST");
    });
  }
}

test("stream-server-web without the library says so", async () => {
  const code = `require("${installed("stream-server-web", "index.cjs")}").stream("a", 1).catch((e) => console.log(e.message))`;
  const empty = await mkdtemp(join(tmpdir(), "empty-"));
  await cp(installed("stream-server-web", "index.cjs"), join(empty, "index.cjs"));
  const { stdout } = await run("node", ["-e", code.replace(/".*?index.cjs"/, '"./index.cjs"')], { cwd: empty });
  await rm(empty, { recursive: true });
  assert.match(stdout, /the package redis is needed/);
});

test("a page of the server's own has the bundled package, another the script", async (t) => {
  const server = await startServer(t);
  const seen = async (page, pages) => {
    const publish = () => redisCli(server.broker, "PUBLISH", "sb:feed", '"it arrives"');
    await eventually("the page listens", async () => (await publish()) === `${pages}`);
    await page.waitForFunction(() => document.title === "it arrives");
  };
  const { outputFiles } = await build({
    stdin: {
      contents: 'import { SB } from "stream-server-client"; SB.comet("feed", (data) => { document.title = data; });',
      resolveDir: project,
    },
    bundle: true,
    write: false,
  });
  const own = await newPage(t);
  const html = `<!doctype html><title>x</title><script>${outputFiles[0].text}</script>`;
  await own.route("**/deep/app", (route) => route.fulfill({ contentType: "text/html", body: html }));
  await own.goto(`${server.url}/deep/app`);
  await seen(own, 1);

  const other = await newPage(t);
  const script = await readFile(installed("stream-server-client", "dist/sb.js"), "utf8");
  const tag = `<!doctype html><title>x</title><script src="/sb.js"></script><script>
    SB.connect("${server.url}"); SB.comet("feed", function (data) { document.title = data; });</script>`;
  await other.goto(await servePage(t, tag, { "/sb.js": script }));
  await seen(other, 2);
});

const { ModuleKind, ModuleResolutionKind } = ts;
const both = ["client.mts", "web.mts", "global.mts", "client.cts", "web.cts", "require.cts"];
const modes = {
  node16: [both, ModuleKind.Node16, ModuleResolutionKind.Node16],
  nodenext: [both, ModuleKind.NodeNext, ModuleResolutionKind.NodeNext],
  bundler: [["client.ts", "web.ts", "global.ts"], ModuleKind.ESNext, ModuleResolutionKind.Bundler],
  "before package.json had exports": [["client.ts", "web.ts"], ModuleKind.CommonJS, ModuleResolutionKind.Node10],
};
/** What is in our own node_modules, parsed once for each kind of module. */
const parsed = new Map();

for (const [mode, [files, module, moduleResolution]] of Object.entries(modes)) {
  test(`types: ${mode}`, async () => {
    await withRedis();
    const written = (file) => (file === "require.cts" ? file : file.replace(/[mc]ts$/, "ts"));
    for (const file of files) await cp(join(root, "tests/packages", written(file)), join(project, file));
    const options = { module, moduleResolution, strict: true, noEmit: true, target: ts.ScriptTarget.ES2022 };
    // Those of the Redis libraries are not for us to check; ours are, by their own tsconfig.json.
    Object.assign(options, { skipLibCheck: true, types: ["node"], typeRoots: [installed("@types", ".")] });
    const host = ts.createCompilerHost(options);
    const { getSourceFile } = host;
    host.getSourceFile = (name, how, ...rest) => {
      if (!name.startsWith(join(root, "node_modules"))) return getSourceFile(name, how, ...rest);
      const key = `${name} ${how.impliedNodeFormat}`;
      if (!parsed.has(key)) parsed.set(key, getSourceFile(name, how, ...rest));
      return parsed.get(key);
    };
    const names = files.map((file) => join(project, file));
    const found = ts.getPreEmitDiagnostics(ts.createProgram(names, options, host));
    const at = (file, start) => `${file.fileName}:${file.getLineAndCharacterOfPosition(start).line + 1}: `;
    assert.deepEqual(
      found.map((d) => (d.file ? at(d.file, d.start) : "") + ts.flattenDiagnosticMessageText(d.messageText, "\n")),
      [],
    );
  });
}
