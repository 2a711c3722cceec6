// Running it: a configuration that is read again, systemd, shells, the health of
// a container, and the Dockerfile's own lines.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { binary, eventually, freePort, redisCli, root, run, start, startServer } from "./support.mjs";

/** A directory that is there for one test. */
async function directory(t) {
  const dir = await mkdtemp(join(tmpdir(), "operations-"));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

/** The status of a publish by a key. */
async function publish(url, key) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const response = await fetch(`${url}/api/publish`, { method: "POST", headers, body: '{"channel":"x","data":1}' });
  await response.text();
  return response.status;
}

/** A certificate of localhost in files of that name. */
async function certificate(dir, name) {
  const [cert, key] = [join(dir, `${name}.pem`), join(dir, `${name}.key`)];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  await run("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", cert]);
  return { cert, key, ca: await readFile(cert, "utf8") };
}

test("SIGHUP reads the configuration again, or leaves it as it was", async (t) => {
  const dir = await directory(t);
  const [file, keys] = [join(dir, "stream-server.yaml"), join(dir, "keys")];
  const write = (text) => writeFile(file, `publish-key-file: ${keys}\n${text}`);
  await write("log-level: debug\norigins: [https://old.example]\n");
  await writeFile(keys, "planted-old\n");
  const server = await startServer(t, ["--config", file], { SB_LOG_LEVEL: undefined });
  const reload = async (expected) => {
    const before = server.log.length;
    process.kill(server.pid, "SIGHUP");
    await eventually(`the log has ${expected}`, () => server.log.slice(before).some((line) => expected.test(line)));
    return server.log.slice(before).find((line) => expected.test(line));
  };
  const origin = async (origin) => {
    const response = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`, { headers: { Origin: origin } });
    await response.text();
    return response.status;
  };
  assert.equal(await publish(server.url, "planted-old"), 200);

  await writeFile(keys, "planted-new\nplanted-old\n");
  await write("log-level: debug\norigins: [https://new.example]\n");
  const line = await reload(/the configuration was read again/);
  assert.equal(JSON.parse(line).changed, "publish-key,origins");
  assert.equal(await publish(server.url, "planted-new"), 200);
  assert.equal(await publish(server.url, "planted-old"), 200);
  assert.deepEqual([await origin("https://new.example"), await origin("https://old.example")], [200, 403]);

  // What is wrong in one place changes nothing anywhere.
  await writeFile(keys, "planted-newest\n");
  for (const [text, fault] of [
    ["origins: [https://newest.example]\norigin: x\n", /stream-server\.yaml:3: there is no origin.* is it origins\?/],
    ["origins: [https://newest.example, no origin]\n", /\\"no origin\\" is not of the form/],
    ["origins: [https://newest.example]\njwt-key: [planted]\n", /the JWT key must have at least 16 bytes/],
    ["tls-cert: /nowhere.pem\ntls-key: /nowhere.key\n", /takes a restart/],
  ]) {
    await write(text);
    const line = await reload(/stays what it was/);
    assert.match(line, fault);
    assert.equal(await publish(server.url, "planted-newest"), 401);
    assert.equal(await origin("https://new.example"), 200);
  }

  await write("origins: [https://newest.example]\nlisten: 127.0.0.1:1\nmax-message: 1MiB\nlog-level: error\n");
  await writeFile(keys, "planted-newest\n");
  process.kill(server.pid, "SIGHUP");
  await eventually("the newest key is the only one", async () => (await publish(server.url, "planted-new")) === 401);
  assert.equal(await publish(server.url, "planted-newest"), 200);
  assert.ok(!server.log.some((line) => line.includes("some of what has changed")), "it warned at the level error");

  await write("origins: [https://newest.example]\nlinger: 1s\nmax-message: 1MiB\nlog-level: warn\n");
  const warned = JSON.parse(await reload(/some of what has changed takes a restart/));
  assert.deepEqual([warned.changed, warned.restart], ["log-level", "max-message"]);
  assert.equal(await server.stop("SIGTERM"), 0);
});

test("SIGHUP takes another certificate, from other files", async (t) => {
  const dir = await directory(t);
  const [first, second] = [await certificate(dir, "first"), await certificate(dir, "second")];
  const file = join(dir, "stream-server.yaml");
  const write = ({ cert, key }) => writeFile(file, `tls-cert: ${cert}\ntls-key: ${key}\n`);
  await write(first);
  const server = await startServer(t, ["--config", file], {}, first.ca);
  const health = (ca) =>
    run(binary, ["health", "--url", server.url, "--ca", ca.cert]).then(
      () => true,
      () => false,
    );
  assert.deepEqual([await health(first), await health(second)], [true, false]);
  await write(second);
  process.kill(server.pid, "SIGHUP");
  await eventually("the second is shown", () => health(second));
  assert.equal(await health(first), false);
  await write({ cert: second.cert, key: first.key });
  process.kill(server.pid, "SIGHUP");
  await eventually("the log says why not", () => server.log.some((line) => /private key does not match/.test(line)));
  assert.equal(await health(second), true);
});

test("health says how a server is", async (t) => {
  const server = await startServer(t);
  const answers = await Promise.all(
    [[], ["--ready"]].map((flags) => run(binary, ["health", "--url", server.url, ...flags])),
  );
  assert.ok(
    answers.every(({ stdout }) => stdout === "ok\n"),
    JSON.stringify(answers),
  );
  const none = `http://127.0.0.1:${await freePort()}`;
  await assert.rejects(
    run(binary, ["health", "--url", none]),
    (error) => error.code === 1 && /refused/.test(error.stderr),
  );
});

test("systemd gives it its sockets, and is told how it is", async (t) => {
  const dir = await directory(t);
  const socket = join(dir, "notify");
  const listen = `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(${JSON.stringify(socket)})
print("bound", flush=True)
while True:
    for line in s.recv(4096).decode().splitlines(): print(line, flush=True)`;
  const told = [];
  const systemd = start(t, "/usr/bin/python3", ["-c", listen]);
  createInterface({ input: systemd.child.stdout }).on("line", (line) => told.push(line));
  await eventually("the notify socket is there", () => told.includes("bound"));

  const [web, broker] = [await freePort(), await freePort()];
  const flags = [
    "-l",
    `127.0.0.1:${web}`,
    "-l",
    `127.0.0.1:${broker}`,
    "--fdname=web:broker",
    "-E",
    `NOTIFY_SOCKET=${socket}`,
  ];
  const server = start(t, "systemd-socket-activate", [...flags, binary, "--drain", "0s"]);
  const url = `http://127.0.0.1:${web}`;
  // The program is started by the first connection, and answers it.
  await eventually("it answers", async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok);
  await eventually("systemd knows that it is ready", () => told.includes("READY=1"));
  assert.equal(await redisCli(broker, "PUBLISH", "sb:x", "1"), "0");

  told.length = 0;
  server.child.kill("SIGHUP");
  await eventually("systemd knows that it was reloaded", () => told.includes("READY=1"));
  assert.equal(told[0], "RELOADING=1");
  assert.match(told[1], /^MONOTONIC_USEC=\d+$/);
  assert.equal(await server.stop("SIGTERM"), 0);
  await eventually("systemd knows that it ends", () => told.includes("STOPPING=1"));
});

test("systemd takes the unit, and finds it safe", async (t) => {
  const dir = await directory(t);
  const units = ["stream-server.service", "stream-server.socket"];
  for (const name of units) {
    const text = await readFile(join(root, "examples/systemd", name), "utf8");
    await writeFile(join(dir, name), text.replace("/usr/local/bin/stream-server", binary));
  }
  const paths = units.map((name) => join(dir, name));
  const { stdout, stderr } = await run("systemd-analyze", ["verify", "--man=no", ...paths]);
  assert.equal(stdout + stderr, "");
  await run("systemd-analyze", ["security", "--offline=yes", "--threshold=20", paths[0]]); // 2.0 of 10
});

test("shells complete commands, flags and values", async (t) => {
  const dir = await directory(t);
  const path = `${dirname(binary)}:${process.env.PATH}`;
  const env = { ...process.env, PATH: path, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir, TERM: "dumb" };
  const cases = [
    ["stream-server pub", /^publish$/m],
    ["stream-server --log-le", /^--log-level/m],
    ["stream-server --log-level wa", /^warn$/m],
    ["stream-server serve --sockets go", /^goroutine$/m],
    ["stream-server publish --dur", /^--durable/m],
    ["stream-server completion fi", /^fish$/m],
  ];
  for (const [line, want] of cases) {
    const words = line.split(" ");
    const bash = `eval "$(stream-server completion bash)"; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}
      complete -p stream-server >/dev/null && _stream_server && printf '%s\\n' "\${COMPREPLY[@]}"`;
    assert.match((await run("bash", ["--norc", "-c", bash], { env })).stdout, want, `bash: ${line}`);
    const fish = `stream-server completion fish | source; complete -C ${JSON.stringify(line)}`;
    const { stdout } = await run("fish", ["--no-config", "-c", fish], { env });
    assert.match(stdout.replaceAll(/\t.*/g, ""), want, `fish: ${line}`);

    // zsh completes only at a terminal: a key writes down what became of the line.
    const buffer = join(dir, "buffer");
    const zsh = `zmodload zsh/zpty; zpty z zsh -f -i
      zpty -w z 'PS1=; autoload -U compinit; compinit -D -u; source <(stream-server completion zsh)'
      zpty -w z 'show() { print -r -- "$BUFFER" >${buffer}.part; mv ${buffer}.part ${buffer} }; zle -N show; bindkey ^Xs show'
      zpty -w z 'print REA""DY'; zpty -r -m z all '*READY*'
      zpty -w -n z ${JSON.stringify(line)}$'\\t\\C-xs'
      while [[ ! -e ${buffer} ]]; do sleep 0.1; done; zpty -d z`;
    await run("timeout", ["20", "zsh", "-f", "-c", zsh], { env });
    const completed = (await readFile(buffer, "utf8")).trim().replaceAll(/[= ]+/g, "\n");
    await rm(buffer);
    assert.match(completed, want, `zsh: ${line}`);
  }
});

test("the lines of the Dockerfile make a program that needs nothing else", async (t) => {
  const dir = await directory(t);
  const [build, image] = (await readFile(join(root, "Dockerfile"), "utf8")).split(/^FROM scratch$/m);
  const lines = [...build.matchAll(/^RUN (.*)$/gm)].map(([, line]) => line.replace("/out/", `${dir}/`));
  assert.equal(lines.length, 2);
  for (const line of lines)
    await run("sh", ["-ec", line], { cwd: root, env: { ...process.env, VERSION: "v0-of-a-test" } });
  const program = join(dir, "stream-server");
  assert.equal((await run(program, ["version"])).stdout, "v0-of-a-test\n");
  await assert.rejects(run("ldd", [program]), /not a dynamic executable/);

  // As the image runs it: nobody in particular, with no environment and no shell.
  const [, user] = /^USER (\d+):\1$/m.exec(image);
  const [, check] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(image);
  const [entry, command] = JSON.parse(check);
  assert.equal(entry, JSON.parse(/^ENTRYPOINT (.*)$/m.exec(image)[1])[0]);
  const [web, broker] = [await freePort(), await freePort()];
  const as = process.getuid?.() === 0 ? { uid: Number(user), gid: Number(user) } : {};
  await run("chmod", ["755", dir]);
  const flags = ["--listen", `127.0.0.1:${web}`, "--broker-listen", `127.0.0.1:${broker}`, "--drain", "0s"];
  const server = start(t, program, flags, { ...as, env: {}, cwd: "/" });
  const url = `http://127.0.0.1:${web}`;
  await eventually("it is healthy", () =>
    run(program, [command, "--url", url], { ...as, env: {} }).then(
      () => true,
      () => false,
    ),
  );
  assert.equal(await server.stop(), 0);
});
