// Headless Chromium, and a proxy that lets no WebSocket through.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { after } from "node:test";
import { chromium } from "playwright-core";

/** @type {Promise<import("playwright-core").Browser> | undefined} */
let browser;

after(async () => (await browser)?.close());

/** A page of its own, which fails the test when its scripts do. */
export async function newPage(t, options = {}) {
  browser ??= chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const context = await (await browser).newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error));
  t.after(() => assert.deepEqual(faults, []));
  return page;
}

async function listen(t, server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** A proxy before the server that ends every upgrade, as some offices' do. */
export function withoutWebSockets(t, url) {
  const proxy = createServer((req, res) => {
    const onward = request(`${url}${req.url}`, { method: req.method, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(res);
    });
    onward.on("error", () => res.destroy());
    res.on("close", () => onward.destroy());
    req.pipe(onward);
  });
  proxy.on("upgrade", (_, socket) => socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n"));
  return listen(t, proxy);
}

/** A web server of another port with one page, and scripts by their path. */
export function servePage(t, html, scripts = {}) {
  return listen(
    t,
    createServer((req, res) => {
      const body = req.url === "/" ? html : scripts[req.url];
      const type = req.url === "/" ? "text/html" : "text/javascript";
      res.writeHead(body === undefined ? 404 : 200, { "Content-Type": `${type}; charset=utf-8` });
      res.end(body);
    }),
  );
}
