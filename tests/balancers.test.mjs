// Three nodes behind nginx, HAProxy and Caddy that know nothing of sessions: stock
// clients of all generations connect, upgrade and hear everything, and come back
// when one of the nodes is killed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { balancers, startBalancer, startNodes } from "./balancers.mjs";
import { connect, kinds, versions } from "./matrix/clients.mjs";
import { eventually, metric, redisCli, startRedis } from "./support.mjs";

const generations = versions.filter(({ version }) => /^(0|1\.[47]|2\.5|3\.1|4\.8)\./.test(version));

/** A client that listens to x whenever it is connected. */
function listen(t, row, url, kind) {
  const client = connect(row, url, kind);
  t.after(() => client.end());
  const seen = { name: `${row.version} ${kind}`, client, heard: [], listening: false, connects: 0 };
  client.on("connect", () => {
    seen.connects++;
    client.emit("subscribe", "x", (answer) => {
      seen.listening = answer.ok;
    });
  });
  client.on("disconnect", () => {
    seen.listening = false;
  });
  client.on("x", (n) => seen.heard.push(n));
  return seen;
}

for (const name of balancers) {
  test(`no sticky sessions behind ${name}`, async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, redis);
    const url = await startBalancer(t, name, nodes);
    const all = generations.flatMap((row) => kinds.map((kind) => listen(t, row, url, kind)));
    assert.equal(all.length, 18);
    const missing = (ok) =>
      all
        .filter((seen) => !ok(seen))
        .map((seen) => `${seen.name} ${seen.heard}`)
        .join(", ");
    const everybody = (what, ok) =>
      eventually(`everybody ${what}`, () => all.every(ok), 20_000).catch((error) =>
        assert.fail(`${error.message}: ${missing(ok)}`),
      );

    await everybody("listens", (seen) => seen.listening);
    await everybody("has the best transport", ({ client }) => client.transportName() === client.wanted);
    for (let n = 1; n <= 20; n++) await redisCli(redis.port, "PUBLISH", "sb:x", `${n}`);
    await everybody("hears 20", (seen) => seen.heard.length >= 20);
    for (const seen of all) {
      assert.deepEqual(
        seen.heard,
        [...Array(20).keys()].map((i) => i + 1),
        seen.name,
      );
      assert.equal(seen.connects, 1, `${seen.name} connected once`);
    }
    const passed = await Promise.all(nodes.map((node) => metric(node, "stream_forwarded_total")));
    const total = passed.reduce((sum, n) => sum + n, 0);
    assert.ok(total > 30, `${total} requests were passed on, want many`);

    await nodes[0].stop("SIGKILL");
    // Some have yet to notice: whoever was there, or came by there, comes back.
    let n = 100;
    await eventually(
      "everybody hears again",
      async () => {
        await redisCli(redis.port, "PUBLISH", "sb:x", `${++n}`);
        return all.every((seen) => seen.heard.at(-1) > 100);
      },
      30_000,
    ).catch((error) => assert.fail(`${error.message}: ${missing((seen) => seen.heard.at(-1) > 100)}`));
    for (const { name, heard } of all) {
      assert.deepEqual(
        heard,
        [...new Set(heard)].sort((a, b) => a - b),
        `${name} hears in order, and nothing twice`,
      );
    }
  });
}
