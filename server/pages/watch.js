// Listens with SB.comet, publishes with /api/publish, and says how long it took
// from there to here.

import { $, button, make, many } from "./dom.js";

const rows = 200; // messages that are kept
const kept = "publish-key";

/** @type {Map<string, () => void>} channel → what stops it */
const listening = new Map();
/** @type {{ channel: string, json: string, at: number } | undefined} what this page published last */
let sent;

/** @param {string} text */
function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = text === "";
}

function keepInAddress() {
  const query = new URLSearchParams();
  for (const channel of listening.keys()) query.append("channel", channel);
  history.replaceState(null, "", `${location.pathname}?${query}${location.hash}`);
}

/**
 * Shows what is published on a channel from now on.
 * @param {string} channel
 */
export function listen(channel) {
  if (!channel || listening.has(channel)) return;
  /** @type {() => void} */
  let stop;
  try {
    stop = SB.comet(channel, (data) => arrived(channel, data));
  } catch (error) {
    problem(/** @type {Error} */ (error).message);
    return;
  }
  problem("");
  const remove = button("×", () => forget(channel), { ariaLabel: `Stop listening to ${channel}` });
  const chip = make("li", {}, channel, remove);
  $("channels").append(chip);
  listening.set(channel, () => {
    stop();
    chip.remove();
  });
  keepInAddress();
}

/** @param {string} channel */
function forget(channel) {
  listening.get(channel)?.();
  listening.delete(channel);
  keepInAddress();
}

/**
 * @param {string} channel
 * @param {any} data
 */
function arrived(channel, data) {
  let note = "";
  if (sent?.channel === channel && sent.json === JSON.stringify(data)) {
    note = `back after ${(performance.now() - sent.at).toFixed(1)} ms`;
    sent = undefined;
  }
  show(channel, JSON.stringify(data, null, 1).replace(/\n\s*/g, " "), "", note);
}

/**
 * @param {string} channel
 * @param {string} text
 * @param {string} [kind]
 * @param {string} [note]
 */
function show(channel, text, kind = "", note = "") {
  const time = make("time", { textContent: new Date().toLocaleTimeString() });
  const head = make("p", {}, make("span", {}, channel), note && make("span", {}, note), time);
  $("messages").prepend(make("li", { className: kind }, head, make("pre", {}, text)));
  while ($("messages").children.length > rows) $("messages").lastChild.remove();
  $("empty").hidden = true;
}

async function publish() {
  const channel = $("to").value;
  const text = $("data").value;
  let data = text;
  let note = "";
  try {
    data = JSON.parse(text);
  } catch {
    note = " (sent as a string: it is no JSON)";
  }
  const outcome = $("outcome");
  outcome.className = "";
  outcome.textContent = "…";
  sent = { channel, json: JSON.stringify(data), at: performance.now() };
  try {
    const response = await fetch("api/publish", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${$("key").value}` },
      body: JSON.stringify({ channel, data }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error.message);
    if ($("key").value) sessionStorage.setItem(kept, $("key").value);
    outcome.textContent = `reached ${many(answer.channels[channel].sessions, "session")}${note}`;
  } catch (error) {
    outcome.className = "wrong";
    outcome.textContent = /** @type {Error} */ (error).message;
    $("key-field").hidden = false;
  }
}

/**
 * Makes the form publish to a channel.
 * @param {string} channel
 */
export function publishTo(channel) {
  $("to").value = channel;
  $("to").dispatchEvent(new Event("input"));
  $("try").scrollIntoView();
  $("data").focus();
}

// The key comes in the fragment, which no server sees; it leaves the address so
// that nobody reads it over a shoulder or copies it with the link. Who comes with
// one comes to try it.
function readKey() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key) {
    sessionStorage.setItem(kept, key);
    history.replaceState(null, "", location.pathname + location.search);
    $("try").scrollIntoView();
  }
  $("key").value = sessionStorage.getItem(kept) ?? "";
  $("key-field").hidden = $("key").value !== "";
}

/**
 * @param {string} text
 * @param {boolean} on
 */
function setState(text, on) {
  $("state-text").textContent = text;
  $("state").className = on ? "on" : "off";
}

/** Begins with the channels that the address names. */
export function beginWatching() {
  SB.on("connect", () => setState("connected", true));
  SB.on("disconnect", (reason) => setState(`not connected: ${reason ?? "trying again"}`, false));
  SB.on("error", (error) => {
    problem(error.channel ? `${error.channel}: ${error.message}` : error.message);
    if (error.channel) forget(error.channel);
  });
  SB.on("gap", (gap) => show(gap.channel, `messages may be missing here (${gap.reason})`, "gap"));
  SB.on("session", (session) => {
    $("who").textContent = session.guest
      ? `A guest, ${session.member}. A page with a token of your web server's would be a member.`
      : `The member ${session.member}.`;
  });
  $("subscribe").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    listen($("channel").value.trim());
  };
  $("publish").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    publish();
  };
  readKey();
  const first = new URLSearchParams(location.search).getAll("channel").filter(Boolean);
  if (!first.length) first.push("feed:football:fantasy");
  $("channel").value = $("to").value = first[0];
  for (const channel of first) listen(channel);
}
