// SB.comet with {resume: "session"} in headless Chromium: a page that is loaded
// again gets what was published meanwhile, or is told that it cannot.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newPage, servePage } from "./browser.mjs";
import { empty, eventually, freePort, redisCli, startServer } from "./support.mjs";

const flags = async () => [`--listen=127.0.0.1:${await freePort()}`, `--broker-listen=127.0.0.1:${await freePort()}`];
const env = { SB_LINGER: "60s", SB_GUEST_KEY: "a key that outlives the server" };

const html = (url) => `<!doctype html><title>x</title><script src="${url}/sb.js"></script><script>
  window.got = [];
  SB.on("gap", function (gap) { got.push(gap) });
  SB.comet("resumed", { resume: "session" }, function (data) { got.push("resumed " + data) });
  SB.comet("anew", function (data) { got.push("anew " + data) });
  addEventListener("pagehide", function () { localStorage.before = (localStorage.before || "") + got.join() + "," });
</script>`;

test("a page that is loaded again", async (t) => {
  const listening = await flags();
  let server = await startServer(t, listening, env);
  const publish = (channel, data) => redisCli(server.broker, "PUBLISH", `sb:${channel}`, `${data}`);
  const page = await newPage(t);
  const site = await servePage(t, html(server.url));
  const got = async (...want) => {
    await page.waitForFunction((n) => window.got.length >= n, want.length);
    assert.deepEqual(await page.evaluate(() => window.got), want);
  };
  const heard = () =>
    eventually("both are heard", async () => {
      const counts = await redisCli(server.broker, "PUBSUB", "NUMSUB", "sb:resumed", "sb:anew");
      return /resumed\n1\nsb:anew\n1/.test(counts);
    });
  const both = async (...list) => {
    for (const data of list) {
      await publish("resumed", data);
      await publish("anew", data);
    }
  };

  await page.goto(site);
  await heard();
  await both(1, 2);
  await got("resumed 1", "anew 1", "resumed 2", "anew 2");

  // Away for a while, and back.
  await page.goto("about:blank");
  await empty(server);
  await both(3, 4);
  await page.goto(site);
  await heard();
  await both(5);
  await got("resumed 3", "resumed 4", "resumed 5", "anew 5");

  // Loaded again while messages come: none is missing, and none comes twice.
  let last = 5;
  await page.evaluate(() => {
    window.got = [];
    localStorage.clear();
  });
  for (let i = 0; i < 3; i++) {
    const reloaded = page.reload();
    for (let n = 0; n < 20; n++) await publish("resumed", ++last);
    await reloaded;
    await page.waitForFunction((last) => window.got.at(-1) === `resumed ${last}`, last);
  }
  const all = await page.evaluate(() => localStorage.before.split(",").concat(window.got).filter(Boolean));
  assert.deepEqual(
    all,
    Array.from({ length: last - 5 }, (_, i) => `resumed ${i + 6}`),
  );

  // Another tab has heard nothing, and misses nothing.
  const other = await newPage(t);
  await other.goto(site);
  await eventually("the other page listens", async () => (await publish("anew", 0)) === "2");
  await other.waitForFunction(() => window.got.length > 0);
  assert.deepEqual(await other.evaluate(() => window.got), ["anew 0"]);
  await other.close();

  // A server that was started again knows nothing of before.
  await page.goto("about:blank");
  assert.equal(await server.stop(), 0);
  server = await startServer(t, listening, env);
  await page.goto(site);
  await heard();
  await both(1);
  await got({ channel: "resumed", reason: "not_recovered" }, "resumed 1", "anew 1");
});
