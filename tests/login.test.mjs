// examples/members in Chromium: a guest is refused what is private, logs in on
// the web server, and hears it over the connection that was there; and the
// other way round.

import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { newPage } from "./browser.mjs";
import { eventually, redisCli, root, start, startRedis, startServer } from "./support.mjs";

const cookies = ["--session-cookie", "sid", "--session-key", "sess:{}", "--session-member", "user.id"];
const flags = [...cookies, "--session-channels", "channels"];

async function startWeb(t, stream, redis) {
  const env = { ...process.env, REDIS: redis.url, STREAM: stream, PORT: "0" };
  const { child } = start(t, "node", [join(root, "examples/members/server.mjs")], { env });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return line.replace("Open ", "");
}

for (const transport of ["websocket", "polling"]) {
  test(`a guest logs in and out: ${transport}`, async (t) => {
    const redis = await startRedis(t);
    const server = await startServer(t, ["--redis", redis.url, ...flags]);
    const stream = server.url.replace("127.0.0.1", "localhost"); // cookies know hosts, and no ports
    const web = await startWeb(t, stream, redis);

    const page = await newPage(t);
    if (transport === "polling") {
      await page.addInitScript(() => delete globalThis.WebSocket);
    }
    const handshakes = [];
    page.on("websocket", (socket) => handshakes.push(socket.url()));
    page.on("request", (r) => /transport=polling(?!.*sid=)/.test(r.url()) && handshakes.push(r.url()));
    await page.goto(web);

    const lines = () => page.locator("#lines li").allTextContents();
    const newest = async (text) => eventually(text, async () => (await lines())[0] === text);
    const tell = async (channel) => {
      await eventually(
        "Redis knows",
        async () => Number(await redisCli(redis.port, "PUBLISH", `sb:${channel}`, '"hi"')) >= 0,
      );
    };
    await newest("private:members forbidden: this channel is not open to you");
    assert.equal(await page.locator("#who").textContent(), "a guest");
    await eventually("feed:news is heard", async () => {
      return (await redisCli(redis.port, "PUBSUB", "NUMSUB", "sb:feed:news")).endsWith("\n1");
    });
    await page.click("text=Tell everybody");
    await newest("feed:news hello");
    await tell("private:members");
    await tell("feed:news");
    await newest("feed:news hi");
    assert.equal((await lines()).filter((line) => line.startsWith("private:members hi")).length, 0);

    await page.click("text=Log in");
    await eventually("it is alice", async () => (await page.locator("#who").textContent()) === "alice");
    await eventually("it is heard", async () => {
      await page.click("text=Tell members");
      return (await lines()).includes("private:members hello");
    });
    assert.equal(handshakes.length, 1, "there was a new connection");

    await page.click("text=Log out");
    await eventually("it is a guest", async () => (await page.locator("#who").textContent()) === "a guest");
    await newest("private:members expired: the server has ended it: changed");
    const before = (await lines()).length;
    await tell("private:members");
    await tell("feed:news");
    await newest("feed:news hi");
    assert.equal((await lines()).length, before + 1, "a guest heard what is private");
    assert.equal(handshakes.length, 1, "there was a new connection");
    if (process.env.SB_SCREENSHOTS) {
      await page.screenshot({ path: join(process.env.SB_SCREENSHOTS, `members-${transport}.png`) });
    }
  });
}

test("a session that ends in Redis ends what is private, without the page", async (t) => {
  const redis = await startRedis(t);
  const server = await startServer(t, ["--redis", redis.url, ...flags, "--recheck", "1s"]);
  const web = await startWeb(t, server.url.replace("127.0.0.1", "localhost"), redis);
  const page = await newPage(t);
  await page.goto(web);
  await page.click("text=Log in");
  await eventually("it is alice", async () => (await page.locator("#who").textContent()) === "alice");
  await eventually("it is heard", async () => {
    await page.click("text=Tell members");
    return (await page.locator("#lines li").allTextContents()).includes("private:members hello");
  });
  const [session] = (await redisCli(redis.port, "KEYS", "sess:*")).split("\n");
  await redisCli(redis.port, "DEL", session);
  await eventually("it is a guest", async () => (await page.locator("#who").textContent()) === "a guest");
});
