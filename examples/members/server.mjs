// A web server with members: who logs in gets a session, a cookie for it, and
// in Redis what the stream server has to know of it.
//
//   redis-server --port 6379 &
//   go run . --redis redis://127.0.0.1:6379 --session-cookie sid --session-key 'sess:{}' \
//     --session-member user.id --session-channels channels &
//   node examples/members/server.mjs
//
// Then open http://localhost:3000/ in two windows, and log in in one of them.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import Redis from "ioredis";

const redis = new Redis(process.env.REDIS ?? "redis://127.0.0.1:6379");
const stream = process.env.STREAM ?? "http://localhost:8080";
const page = (await readFile(new URL("index.html", import.meta.url), "utf8")).replaceAll("{stream}", stream);

const sessionOf = (request) => /(?:^|; )sid=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];

async function textOf(request) {
  let text = "";
  for await (const part of request.setEncoding("utf8")) {
    text += part;
    if (text.length > 1000) throw new Error("too long");
  }
  return text;
}

const routes = {
  "GET /": (_, response) => response.setHeader("Content-Type", "text/html; charset=utf-8").end(page),

  "POST /login": async (request, response) => {
    const id = await textOf(request); // a real one asks for a password too
    const session = randomBytes(24).toString("base64url"); // a new one, whatever cookie there was
    const known = JSON.stringify({ user: { id }, channels: ["private:members"] });
    await redis.set(`sess:${session}`, known, "EX", 3600);
    response.setHeader("Set-Cookie", `sid=${session}; Path=/; HttpOnly; SameSite=Lax`).end();
  },

  "POST /logout": async (request, response) => {
    await redis.del(`sess:${sessionOf(request)}`);
    response.setHeader("Set-Cookie", "sid=; Path=/; Max-Age=0").end();
  },

  "POST /say": async (request, response) => {
    const { channel, text } = JSON.parse(await textOf(request));
    await redis.publish(`sb:${channel}`, JSON.stringify(text));
    response.end();
  },
};

const server = createServer(async (request, response) => {
  try {
    const route = routes[`${request.method} ${request.url}`];
    await (route ?? ((_, r) => r.writeHead(404).end()))(request, response);
  } catch {
    response.writeHead(400).end();
  }
});
server.listen(process.env.PORT ?? 3000, "localhost", () => {
  console.log(`Open http://localhost:${server.address().port}/`);
});
