// Who a stock client is: a guest, who stays the same; a member, by a token; or
// nobody, with a token that is not valid.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";
import { call, empty, next, redisCli, startServer } from "./support.mjs";

const require = createRequire(import.meta.url);
const key = "a key of at least 32 bytes, for the tests";

/** A JWT with these claims. */
function token(claims, secret = key, header = { alg: "HS256", typ: "JWT" }) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part(header)}.${part(claims)}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

const soon = () => Math.floor(Date.now() / 1000) + 60;
const clients = [
  // 2.x clients have no auth object: theirs is the query.
  { version: "2.5.0", io: require("sio-client-2"), options: (token) => ({ query: { token } }), data: (error) => error },
  { version: "3.1.3", io: require("sio-client-3"), options: (token) => ({ auth: { token } }), data: (e) => e.data },
  { version: "4.8.4", io: require("sio-client-4"), options: (token) => ({ auth: { token } }), data: (e) => e.data },
];

test("0.9.17: a token makes a member, and a bad one is refused", async (t) => {
  const io = require("sio-client-0.9");
  const server = await startServer(t, ["--jwt-key", key]);
  const connect = (bearer) => {
    const socket = io.connect(`${server.url}?token=${bearer}`, { "force new connection": true, reconnect: false });
    t.after(() => socket.socket.connected && socket.disconnect());
    return socket;
  };
  const [session] = await next(connect(token({ sub: "42", exp: soon() })), "$session");
  assert.equal(session.member, "42");
  const [reason] = await next(connect("nonsense"), "error");
  assert.match(reason, /not valid/);
});

for (const { version, io, options, data } of clients) {
  const connect = (t, url, extra = {}) => {
    const socket = io(url, { forceNew: true, reconnection: false, ...extra });
    t.after(() => socket.close());
    return socket;
  };

  test(`${version}: a token makes a member`, async (t) => {
    const server = await startServer(t, ["--jwt-key", key]);
    const socket = connect(t, server.url, options(token({ sub: "42", exp: soon() })));
    const [session] = await next(socket, "$session");
    assert.equal(session.member, "42");
    assert.equal(session.guest, undefined);

    assert.equal((await call(socket, "subscribe", "feed")).ok, true);
    const arrived = next(socket, "feed");
    await redisCli(server.broker, "PUBLISH", "sb:feed", "1");
    assert.equal((await arrived)[0], 1);
    socket.close();
    await empty(server);
  });

  test(`${version}: a token that is not valid is refused`, async (t) => {
    const server = await startServer(t, ["--jwt-key", key]);
    for (const [name, bad, code] of [
      ["another key", token({ sub: "42", exp: soon() }, "another key of at least 32 bytes, too"), "bad_token"],
      ["no signature", token({ sub: "42", exp: soon() }, key, { alg: "none" }), "bad_token"],
      ["no end", token({ sub: "42" }), "bad_token"],
      ["nobody", token({ exp: soon() }), "bad_token"],
      ["in the past", token({ sub: "42", exp: soon() - 3600 }), "expired"],
      ["no token at all", "x", "bad_token"],
    ]) {
      const socket = connect(t, server.url, options(bad));
      socket.on("$session", () => assert.fail(`${name} was let in`));
      const [error] = await next(socket, version === "2.5.0" ? "error" : "connect_error");
      assert.equal(data(error).code, code, `${name}: ${JSON.stringify(error)}`);
      socket.close();
    }
    await empty(server);
  });

  test(`${version}: a guest keeps the id`, async (t) => {
    const server = await startServer(t, ["--jwt-key", key]);
    const [first] = await next(connect(t, server.url), "$session");
    const [second] = await next(connect(t, server.url), "$session");
    assert.match(first.member, /^guest:[A-Z2-7]{26}$/);
    assert.notEqual(second.member, first.member);

    const back = version === "2.5.0" ? { query: { guest: first.guest } } : { auth: { guest: first.guest } };
    const [again] = await next(connect(t, server.url, back), "$session");
    assert.equal(again.member, first.member);
    assert.notEqual(again.id, first.id);
    const stolen = first.guest.replace(first.member, second.member);
    const [stranger] = await next(connect(t, server.url, { query: { guest: stolen } }), "$session");
    assert.ok(![first.member, second.member].includes(stranger.member), "an unsigned id was believed");
  });

  test(`${version}: a guest becomes a member without a new connection`, async (t) => {
    const server = await startServer(t, ["--jwt-key", key]);
    const socket = connect(t, server.url);
    const [guest] = await next(socket, "$session");
    assert.equal((await call(socket, "identify", "nonsense")).error.code, "bad_token");
    const told = next(socket, "$session");
    assert.deepEqual(await call(socket, "identify", token({ sub: "42", exp: soon() })), { ok: true });
    const [member] = await told;
    assert.deepEqual([member.id, member.member], [guest.id, "42"]);
  });
}
