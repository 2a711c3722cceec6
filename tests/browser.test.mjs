// The live page and SB.comet in headless Chromium, with WebSockets and with
// them blocked, and from a page that another server serves.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newPage, servePage, withoutWebSockets } from "./browser.mjs";
import { empty, eventually, freePort, redisCli, startRedis, startServer } from "./support.mjs";

const channel = "feed:football:fantasy";

const kinds = {
  websocket: async (_, url) => url,
  polling: withoutWebSockets,
};

async function transports(server) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const of = (name) => Number(new RegExp(`stream_sessions{protocol="4",transport="${name}"} (\\d+)`).exec(text)[1]);
  return { websocket: of("websocket"), polling: of("polling") };
}

for (const [kind, reach] of Object.entries(kinds)) {
  test(`the live page by ${kind}`, async (t) => {
    const server = await startServer(t);
    const publish = (data) => redisCli(server.broker, "PUBLISH", `sb:${channel}`, data);
    assert.equal(await publish('{"goal":0}'), "0");

    const url = await reach(t, server.url);
    const { hash } = new URL(server.page);
    assert.match(hash, /#key=[A-Z2-7]{26}$/);
    const pages = [];
    for (const count of [1, 3]) {
      while (pages.length < count) {
        const page = await newPage(t);
        await page.goto(`${url}/${hash}`);
        await page.getByText("connected", { exact: true }).waitFor();
        await page.getByText("A guest, guest:").waitFor();
        pages.push(page);
      }
      await eventually("every page listens", async () => {
        return (await redisCli(server.broker, "PUBSUB", "NUMSUB", `sb:${channel}`)).endsWith(`${count}`);
      });
      assert.equal(await publish(`{"goal":${count},"who":"é😀"}`), `${count}`);
      for (const page of pages) await page.getByText(`{ "goal": ${count}, "who": "é😀" }`).waitFor();
    }
    assert.deepEqual(await transports(server), { websocket: 0, polling: 0, [kind]: 3 });

    const page = pages[0];
    assert.ok(!page.url().includes("key="), `the key is still in the address: ${page.url()}`);
    await page.locator("#data").fill('{"from":"the page"}');
    await page.getByRole("button", { name: "Publish" }).click();
    await page.getByText("reached 3 sessions").waitFor();
    for (const each of pages) await each.getByText('{ "from": "the page" }').waitFor();

    await page.locator("#data").fill("<img src=x onerror=alert(1)>");
    await page.getByRole("button", { name: "Publish" }).click();
    await page.getByText("it is no JSON").waitFor();
    await pages[1].getByText('"<img src=x onerror=alert(1)>"').waitFor();
    assert.equal(await pages[1].locator("img").count(), 0);

    await page.locator("#channel").fill("$no");
    await page.getByRole("button", { name: "Listen", exact: true }).click();
    await page.locator("#problem").waitFor();
    await page.locator("#channel").fill("chat room");
    await page.getByRole("button", { name: "Listen", exact: true }).click();
    await page.getByRole("button", { name: "Stop listening to chat room" }).waitFor();
    assert.ok(page.url().endsWith("?channel=feed%3Afootball%3Afantasy&channel=chat+room"), page.url());
    await page.locator("#sessions", { hasText: /^3$/ }).waitFor();
    for (const tab of ["redis-cli", "Browser", "Node", "PHP", "Python", "Go", "curl"]) {
      await page.getByRole("tab", { name: tab }).click();
      assert.match(await page.locator("#code").textContent(), /feed:football:fantasy/);
    }
    for (const each of pages) await each.close();
    await empty(server);
  });

  test(`SB.comet from a page of another server by ${kind}`, async (t) => {
    const redis = await startRedis(t);
    const server = await startServer(t, [`--redis=${redis.url}`]);
    const url = await reach(t, server.url);
    const html = `<!doctype html><title>x</title><script src="${url}/sb.js"></script><script>
      window.got = [];
      window.errors = [];
      SB.on("error", function (error) { errors.push(error.message) });
      SB.comet("a", function () { throw new Error("on purpose") });
      window.stop = SB.comet("a", function (data, meta) { got.push(["first", data, meta.channel]) });
      SB.comet(["a", "b"], function (data, meta) { got.push(["both", data, meta.channel]) });
    </script>`;
    const page = await newPage(t);
    page.removeAllListeners("pageerror"); // one callback throws on purpose
    await page.goto(await servePage(t, html));
    const got = (n) => page.waitForFunction((n) => window.got.length >= n && window.got, n).then((h) => h.jsonValue());
    for (const name of ["a", "b"]) {
      await eventually(`${name} is heard`, async () => {
        return (await redisCli(redis.port, "PUBSUB", "NUMSUB", `sb:${name}`)).endsWith("1");
      });
    }
    assert.equal(await redisCli(redis.port, "PUBLISH", "sb:a", '{"n":1}'), "1");
    assert.deepEqual(await got(2), [
      ["first", { n: 1 }, "a"],
      ["both", { n: 1 }, "a"],
    ]);
    await page.evaluate(() => window.stop());
    await redisCli(redis.port, "PUBLISH", "sb:a", "2");
    await got(3); // the order of two channels is no promise
    await redisCli(redis.port, "PUBLISH", "sb:b", "3");
    assert.deepEqual((await got(4)).slice(2), [
      ["both", 2, "a"],
      ["both", 3, "b"],
    ]);
    assert.deepEqual(await transports(server), { websocket: 0, polling: 0, [kind]: 1 });
    await page.close();
    await empty(server);
  });
}

test("SB.comet goes on after the server was restarted", async (t) => {
  const flags = [`--listen=127.0.0.1:${await freePort()}`, `--broker-listen=127.0.0.1:${await freePort()}`];
  let server = await startServer(t, [...flags, "--guest-key=a key that outlives the server"]);
  const page = await newPage(t);
  await page.goto(server.url);
  await page.getByText("connected", { exact: true }).waitFor();
  const who = () => page.locator("#who").textContent();
  await page.getByText("A guest, guest:").waitFor();
  const before = await who();
  assert.equal(await server.stop(), 0);
  await page.getByText("not connected").waitFor();
  server = await startServer(t, [...flags, "--guest-key=a key that outlives the server"]);
  await page.getByText("connected", { exact: true }).waitFor();
  await eventually("the page listens again", async () => {
    return (await redisCli(server.broker, "PUBLISH", `sb:${channel}`, '"again"')) === "1";
  });
  await page.getByText('"again"').first().waitFor();
  await page.getByText("messages may be missing here").first().waitFor();
  assert.equal(await who(), before);
});

test("SB.comet as a module, as a member, and with a bad token", async (t) => {
  const { createHmac } = await import("node:crypto");
  const key = "0123456789abcdef";
  const server = await startServer(t, [`--jwt-key=${key}`]);
  const b64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${b64({ alg: "HS256" })}.${b64({ sub: "ada", exp: Math.floor(Date.now() / 1000) + 60 })}`;
  const token = `${body}.${createHmac("sha256", key).update(body).digest("base64url")}`;
  const page = await newPage(t);
  await page.goto(
    await servePage(
      t,
      `<!doctype html><title>x</title><script type="module">
        import { SB } from "${server.url}/sb.mjs";
        SB.on("session", (session) => { window.who = session.member });
        SB.on("error", (error) => { window.fault = error.code });
        SB.connect(null, { token: "${token}" });
        SB.comet("x", (data) => { window.data = data });
      </script>`,
    ),
  );
  assert.equal(await (await page.waitForFunction(() => window.who)).jsonValue(), "ada");
  await eventually("it listens", async () => (await redisCli(server.broker, "PUBLISH", "sb:x", "7")) === "1");
  assert.equal(await (await page.waitForFunction(() => window.data)).jsonValue(), 7);

  const refused = await newPage(t);
  await refused.goto(
    await servePage(
      t,
      `<!doctype html><title>x</title><script src="${server.url}/sb.js"></script><script>
        SB.on("error", function (error) { window.fault = error.code });
        SB.connect(null, { token: "nonsense" });
      </script>`,
    ),
  );
  assert.equal(await (await refused.waitForFunction(() => window.fault)).jsonValue(), "bad_token");
});
