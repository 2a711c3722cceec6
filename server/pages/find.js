// Looks a channel, a member or a session up, on all nodes.

import { ask, lookup } from "./api.js";
import { $, button, count, make, many, short } from "./dom.js";
import { listen, publishTo } from "./watch.js";
import { disconnect, pagedSessions, sessionTable } from "./who.js";
import { showWhy } from "./why.js";

const few = 20; // of a page
let searches = 0; // the last one counts

const path = encodeURIComponent;

/**
 * Looks for this name.
 * @param {string} name
 */
export async function find(name) {
  const search = ++searches;
  $("query").value = name;
  $("found").ariaBusy = "true";
  $("find").scrollIntoView({ block: "nearest" });
  /** @type {Node[]} */
  let parts;
  try {
    parts = await look(name);
  } catch (error) {
    parts = [make("p", { className: "wrong" }, /** @type {Error} */ (error).message)];
  }
  if (search !== searches) return;
  if (!parts.length)
    parts.push(make("p", { className: "hint" }, `No node knows a channel, member or session “${name}”.`));
  $("found").replaceChildren(...parts);
  $("found").ariaBusy = "false";
}

/**
 * What is there of this name.
 * @param {string} name
 */
async function look(name) {
  const [channel, why, member, session, list] = await Promise.all([
    lookup(`channels/${path(name)}`),
    lookup(`why/${path(name)}?limit=${few}`),
    lookup(`members/${path(name)}?limit=${few}`),
    lookup(`sessions/${path(name)}`),
    lookup(`channels?prefix=${path(name)}&limit=${few}`),
  ]);
  const again = () => find(name);
  const parts = [];
  if (channel || why) parts.push(await channelPart(name, channel, why, again));
  if (member) parts.push(memberPart(member, again));
  if (session) parts.push(sessionPart(session, again));
  const others = list?.channels.filter((/** @type {{ channel: string }} */ c) => c.channel !== name) ?? [];
  if (others.length) parts.push(listPart(name, others, list.next));
  return parts;
}

/**
 * @param {string} term
 * @param {string | Node} value
 */
const fact = (term, value) => make("div", {}, make("dt", {}, term), make("dd", {}, value));

/**
 * @param {string} title
 * @param {string} name
 * @param {...(Node | null | false | string)} inside
 */
function part(title, name, ...inside) {
  return make(
    "article",
    { ariaLabel: `${title} ${name}` },
    make("h3", {}, `${title} `, make("code", {}, name)),
    ...inside,
  );
}

/**
 * @param {string} tag
 * @param {any} channel
 * @param {any} why
 * @param {() => void} again
 */
async function channelPart(tag, channel, why, again) {
  const on = why?.on ?? [];
  const best = (/** @type {string} */ what) => Math.max(...on.map((/** @type {any} */ a) => a[what]), 0);
  const members = channel ? `${channel.estimated ? "about " : ""}${count(channel.members)}` : "0";
  const facts = make(
    "dl",
    { className: "facts" },
    fact("Sessions", count(channel?.sessions ?? 0)),
    fact("Members", members),
    fact("Messages a second", short(best("rate"))),
    fact("Kept in the history", count(best("kept"))),
  );
  const actions = make(
    "p",
    { className: "row" },
    button("Watch live", () => {
      listen(tag);
      $("try").scrollIntoView();
    }),
    button("Publish to it", () => publishTo(tag), { className: "quiet" }),
    button("Look again", again, { className: "quiet" }),
  );
  const sessions = channel && pagedSessions(`channels/${path(tag)}/sessions?limit=${few}`, tag, again);
  return part("Channel", tag, facts, actions, await sessions, showWhy(tag, why));
}

/**
 * @param {any} answer of GET /api/members/{id}
 * @param {() => void} again
 */
function memberPart({ member, sessions, next }, again) {
  const all = button("Disconnect all sessions", () => disconnect({ member }, `all sessions of ${member}`, again), {
    className: "danger",
  });
  const rest = next && make("p", { className: "hint" }, "There are more sessions than these.");
  return part("Member", member, sessionTable(sessions, "", again), rest, make("p", {}, all));
}

/**
 * @param {any} answer of GET /api/sessions/{id}
 * @param {() => void} again
 */
function sessionPart({ member, session }, again) {
  const who = make(
    "p",
    {},
    "It is of ",
    button(member, () => find(member), { className: "link" }),
    ".",
  );
  return part("Session", session.id, who, sessionTable([{ ...session, member }], "", again));
}

/**
 * Channels that begin with what was looked for, and those after them.
 * @param {string} prefix
 * @param {{ channel: string, sessions: number }[]} first
 * @param {string | undefined} next
 */
function listPart(prefix, first, next) {
  const list = make("ul", { className: "bars" });
  const add = (/** @type {typeof first} */ channels) =>
    list.append(
      ...channels.map(({ channel, sessions }) => {
        const name = button(channel, () => find(channel), { className: "name" });
        return make("li", {}, name, make("span", { className: "figure" }, many(sessions, "session")));
      }),
    );
  add(first);
  const more = button(
    "More channels",
    async () => {
      const page = await ask(`channels?prefix=${path(prefix)}&limit=${few}&after=${path(next ?? "")}`);
      add(page.channels);
      next = page.next;
      more.hidden = !next;
    },
    { className: "quiet", hidden: !next },
  );
  return part("Channels that begin with", prefix, list, more);
}

/** Makes the form look things up. */
export function beginFinding() {
  $("search").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    find($("query").value.trim());
  };
}
