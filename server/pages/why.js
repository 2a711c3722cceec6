// What became of the last messages of a channel, and why somebody did not get them.

import { lookup } from "./api.js";
import { $, button, clock, count, make, many, size, table } from "./dom.js";

/**
 * @typedef {{ session: string, got: boolean, why: string, reason?: string }} Verdict
 * @typedef {{ position: string, at: string, bytes: number, by: string, sending?: boolean, sessions: number,
 *   written: number, waited: number, dropped: number, ended: number, who?: Verdict[] }} Message
 * @typedef {{ at: string, event: string, session?: string, reason?: string, replayed?: number }} Happening
 * @typedef {{ node: string, heard: boolean, live: boolean, sessions: number, known?: number, kept: number,
 *   messages: Message[], events: Happening[], earlier?: boolean, omitted?: number }} OnNode
 * @typedef {{ channel: string, who?: string, on: OnNode[] }} Why
 */

/** @type {Record<string, string>} what people read of a verdict */
const words = {
  sent: "got it",
  waited: "got it, after it had waited",
  replayed: "got it when it came back",
  slow: "closed as slow",
  not_connected: "not connected yet",
  not_subscribed: "did not hear the channel",
  refused: "may not hear the channel",
  revoked: "the channel was taken from it",
  ended: "had ended",
  unknown: "too long ago to say",
};

/** Asks why for somebody, in the form that is shown. @type {(who: string) => void} */
export let askWhy = () => {};

/**
 * The messages of a channel, with a form that asks about a member or a session.
 * @param {string} channel
 * @param {Why | null} first
 */
export function showWhy(channel, first) {
  const input = make("input", { name: "who", autocomplete: "off", spellcheck: false, maxLength: 255 });
  const answer = make("div", {});
  answer.ariaLive = "polite";
  answer.append(...sections(first));
  const form = make(
    "form",
    { className: "row" },
    make(
      "label",
      { className: "grow" },
      make("span", {}, "Why did they not get it? A member, guest or session"),
      input,
    ),
    button("Why?", () => {}, { type: "submit" }),
  );
  form.onsubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const who = input.value.trim();
    const path = `why/${encodeURIComponent(channel)}?limit=20${who && `&who=${encodeURIComponent(who)}`}`;
    try {
      answer.replaceChildren(...sections(await lookup(path)));
    } catch (error) {
      answer.replaceChildren(make("p", { className: "wrong" }, /** @type {Error} */ (error).message));
    }
  };
  askWhy = (who) => {
    input.value = who;
    form.requestSubmit();
    $("why").scrollIntoView({ block: "nearest" });
  };
  return make(
    "section",
    { id: "why", ariaLabel: "What became of the messages" },
    make("h4", {}, "Last messages"),
    form,
    answer,
  );
}

/**
 * A part for each node that knows something.
 * @param {Why | null} why
 * @returns {Node[]}
 */
function sections(why) {
  const on = (why?.on ?? []).filter((a) => a.heard || a.known || a.events.length);
  if (!why || !on.length) return [make("p", { className: "hint" }, "No node knows of it.")];
  return on.flatMap((a) => {
    const state = a.live ? "nothing is missed" : "messages may be missed now";
    const line = `Node ${a.node}: ${many(a.sessions, "session")}, ${state}.`;
    const unknown = why.who && !a.known && `${why.who} is not known here.`;
    return [make("p", { className: "hint" }, line, unknown && ` ${unknown}`), messages(a, why.who), events(a)].filter(
      (n) => n !== "",
    );
  });
}

/**
 * @param {OnNode} a
 * @param {string} [who]
 */
function messages(a, who) {
  if (!a.messages.length) return make("p", { className: "hint" }, "No message is kept.");
  const rows = [...a.messages].reverse().map((m) => {
    const fates = [
      m.sending ? "being sent" : `${count(m.written)} written`,
      m.waited && `${count(m.waited)} waited`,
      m.dropped && `${count(m.dropped)} closed as slow`,
      m.ended && `${count(m.ended)} had gone`,
    ].filter(Boolean);
    const cells = [
      make("time", { dateTime: m.at }, clock(m.at)),
      make("code", {}, m.position),
      size(m.bytes),
      `${count(m.sessions)}: ${fates.join(", ")}`,
    ];
    if (who) cells.push(make("span", {}, ...(m.who ?? []).map(verdict)));
    return cells;
  });
  const head = ["When", "Position", "Size", "Sessions", ...(who ? [`Of ${who}`] : [])];
  return table(`Messages on node ${a.node}, newest first`, head, rows);
}

/** @param {Verdict} v */
function verdict(v) {
  const text = `${v.got ? "✓" : "✗"} ${v.session.slice(0, 6)}: ${words[v.why] ?? v.why}${v.reason ? `, ${v.reason}` : ""}`;
  return make("span", { className: v.got ? "good verdict" : "wrong verdict", title: v.session }, text);
}

/** @param {OnNode} a */
function events(a) {
  if (!a.events.length) return "";
  const rows = [...a.events]
    .reverse()
    .map((e) => [
      make("time", { dateTime: e.at }, clock(e.at)),
      e.event,
      make("code", {}, e.session ?? ""),
      [e.reason, e.replayed && `replayed ${e.replayed}`].filter(Boolean).join(", "),
    ]);
  const inside = table(`Events on node ${a.node}, newest first`, ["When", "What", "Session", "Reason"], rows);
  return make("details", {}, make("summary", {}, `What happened (${rows.length})`), inside);
}
