// The live picture: asks /api/console once a second while the page is seen, and
// draws it. Rates are the differences of two answers, node by node.

import { ask, onOpened, onRefused } from "./api.js";
import { bars, Chart } from "./chart.js";
import { $, count, many, short, size } from "./dom.js";

/**
 * @typedef {{ protocol: number, transport: string, sessions: number }} Kind
 * @typedef {{
 *   node: string, at: number, kinds: Kind[], members: number, channels: number,
 *   messages_in: number, messages_out: number, bytes_in: number, bytes_out: number,
 *   queued: number, slow: number, refused: number, kept: number, kept_bytes: number,
 *   broker: boolean, delivered: [number, number][], lag_ms?: number, deaf?: string, took_ms?: number, draining?: boolean,
 *   ended: { reason: string, sessions: number }[],
 * }} Figures
 * @typedef {{ channel: string, sessions: number }} Heard
 * @typedef {{ channel: string, sessions: number, rate: number, bytes: number }} Busy
 * @typedef {{ self: string, on: Figures[], heard: Heard[], busy: Busy[], nodes: number, answered: number, alone?: string }} Answer
 */

const every = 1000; // milliseconds between questions
const span = 10; // answers that latencies are of

/** Who speaks which version of Engine.IO. */
export const generations = /** @type {Record<number, string>} */ ({
  1: "Socket.IO 0.9",
  3: "Socket.IO 1–2",
  4: "Socket.IO 3–4",
});

/** @type {Map<string, Figures>} node → what it said last */
let before = new Map();
/** @type {Map<number, number>[]} what was delivered by each of the last answers */
let recent = [];
/** @type {ReturnType<typeof setInterval> | undefined} */
let timer;
let asking = false;
/** @type {(channel: string) => void} */
let pick = () => {};

const charts = {
  sessions: new Chart($("sessions-chart")),
  out: new Chart($("out-chart")),
  in: new Chart($("in-chart")),
  bytes: new Chart($("bytes-chart"), { floor: 1024 }),
  latency: new Chart($("latency-chart"), { floor: 2 }),
};

/**
 * How much a count grew in a second, over all nodes that said it twice.
 * @param {Figures[]} on
 * @param {"messages_in" | "messages_out" | "bytes_in" | "bytes_out"} what
 */
function rate(on, what) {
  let sum = 0;
  for (const node of on) {
    const last = before.get(node.node);
    if (last && node.at > last.at) sum += (Math.max(0, node[what] - last[what]) * 1000) / (node.at - last.at);
  }
  return sum;
}

/**
 * @param {Figures[]} on
 * @param {(node: Figures) => number} of
 */
const sum = (on, of) => on.reduce((n, node) => n + of(node), 0);

/**
 * What was delivered in the last seconds: how many took so many milliseconds, or
 * fewer.
 * @param {Figures[]} on
 */
function delivered(on) {
  /** @type {Map<number, number>} */
  const all = new Map();
  for (const [ms, n] of on.flatMap((node) => node.delivered)) all.set(ms, (all.get(ms) ?? 0) + n);
  const old = recent[0] ?? all;
  recent.push(all);
  if (recent.length > span) recent.shift();
  return [...all].map(([ms, n]) => ({
    ms: ms < 0 ? Number.POSITIVE_INFINITY : ms,
    n: Math.max(0, n - (old.get(ms) ?? 0)),
  }));
}

/**
 * The p-th of them, in ms: as if they were spread evenly in their bucket.
 * @param {{ ms: number, n: number }[]} buckets
 * @param {number} p of 1
 */
function percentile(buckets, p) {
  const rank = p * (buckets[buckets.length - 1]?.n ?? 0);
  if (!rank) return undefined;
  const i = buckets.findIndex((b) => b.n >= rank);
  const { ms, n } = buckets[i];
  const below = buckets[i - 1] ?? { ms: 0, n: 0 };
  return ms === Number.POSITIVE_INFINITY ? below.ms : below.ms + ((ms - below.ms) * (rank - below.n)) / (n - below.n);
}

/** @param {Answer} answer */
function show(answer) {
  const { on } = answer;
  const at = performance.now();
  const sessions = sum(on, (n) => sessionsOf(n.kinds));
  const first = before.size === 0;
  const out = rate(on, "messages_out");
  const came = rate(on, "messages_in");
  const sent = rate(on, "bytes_out");
  $("sessions").textContent = count(sessions);
  $("members").textContent = many(
    sum(on, (n) => n.members),
    "member",
  );
  $("out").textContent = first ? "–" : short(out);
  $("in").textContent = first ? "–" : short(came);
  $("bytes").textContent = first ? "–" : `${size(sent)}/s`;
  $("bytes-in").textContent = first ? "" : `in ${size(rate(on, "bytes_in"))}/s`;
  const buckets = delivered(on);
  const [half, most] = [percentile(buckets, 0.5), percentile(buckets, 0.99)];
  const canary = Math.max(...on.map((n) => n.took_ms ?? 0));
  $("latency").textContent = half === undefined ? "–" : `${short(half)} ms`;
  $("latency-most").textContent = [
    most !== undefined && `p99 ${short(most)} ms`,
    canary > 0 && `canary ${short(canary)} ms`,
  ]
    .filter(Boolean)
    .join(" · ");
  $("channel-count").textContent = many(Math.max(...on.map((n) => n.channels), 0), "channel");
  charts.sessions.add(sessions, at);
  if (!first) {
    charts.out.add(out, at);
    charts.in.add(came, at);
    charts.bytes.add(sent, at);
  }
  if (most !== undefined) charts.latency.add(most, at);
  before = new Map(on.map((node) => [node.node, node]));
  showLists(answer);
  showHealth(answer);
}

/** @param {Kind[]} kinds */
const sessionsOf = (kinds) => kinds.reduce((n, kind) => n + kind.sessions, 0);

/** @param {Answer} answer */
function showLists({ on, heard, busy }) {
  const rows = (/** @type {Heard[]} */ list) =>
    list.map((c) => ({ name: c.channel, value: c.sessions, text: count(c.sessions) }));
  bars($("heard"), rows(heard), "Nobody hears a channel.", pick);
  const loads = busy.map((c) => ({
    name: c.channel,
    value: c.rate,
    text: `${short(c.rate)}/s · ${size(c.bytes)}/s`,
  }));
  bars($("busy"), loads, "Nothing was published in the last 10 seconds.", pick);
  /** @type {Map<string, number>} */
  const kinds = new Map();
  for (const kind of on.flatMap((n) => n.kinds)) {
    const name = `${generations[kind.protocol] ?? "plain HTTP"}, ${kind.transport}`;
    kinds.set(name, (kinds.get(name) ?? 0) + kind.sessions);
  }
  const list = [...kinds].sort((a, b) => b[1] - a[1]).map(([name, n]) => ({ name, value: n, text: count(n) }));
  bars($("kinds"), list, "Nobody is connected.");
  /** @type {Map<string, number>} */
  const ended = new Map();
  for (const end of on.flatMap((n) => n.ended)) ended.set(end.reason, (ended.get(end.reason) ?? 0) + end.sessions);
  const ends = [...ended].map(([name, n]) => ({ name, value: n, text: count(n) }));
  bars(
    $("ended"),
    ends.sort((a, b) => b.value - a.value),
    "None in the last minute.",
  );
}

/** What a node has to complain of. @param {Figures} n */
function complaint(n) {
  if (n.draining) return "it lets its clients go";
  if (!n.broker) return "the broker cannot be reached";
  if (n.deaf) return `deaf: its own message was lost in the ${n.deaf}`;
  return "";
}

/** @param {Answer} answer */
function showHealth({ on, self, nodes, answered, alone }) {
  const ill = on.filter(complaint);
  const missing = nodes - answered;
  $("health").className = ill.length || missing ? "off" : "on";
  $("health-text").textContent =
    ill.length || missing
      ? [...ill.map((n) => `${n.node}: ${complaint(n)}`), missing && `${many(missing, "node")} did not answer`]
          .filter(Boolean)
          .join("; ")
      : `${many(on.length, "node")}, broker and canary well`;
  $("alone").textContent = alone ? `Only this node was asked: ${alone}.` : "";
  $("slow").textContent = count(sum(on, (n) => n.slow));
  $("refused").textContent = count(sum(on, (n) => n.refused));
  $("queued").textContent = size(sum(on, (n) => n.queued));
  $("kept").textContent = `${count(sum(on, (n) => n.kept))} · ${size(sum(on, (n) => n.kept_bytes))}`;
  const lags = on.map((n) => n.lag_ms ?? 0);
  $("lag").textContent = Math.max(...lags, 0) > 0 ? `${short(Math.max(...lags))} ms` : "in this process";
  const rows = on.map((n) => ({
    name: n.node === self ? `${n.node} (this one)` : n.node,
    value: sessionsOf(n.kinds),
    text: complaint(n) || count(sessionsOf(n.kinds)),
  }));
  bars($("nodes"), rows, "No node has answered.");
}

async function refresh() {
  if (document.hidden || asking) return;
  asking = true;
  try {
    show(await ask(`console${$("of").value === "node" ? "?of=node" : ""}`));
    $("now").classList.remove("away");
  } catch {
    $("now").classList.add("away"); // the state above says why
  } finally {
    asking = false;
  }
}

/** Other figures are asked for: what was says nothing of them. */
function begin() {
  before = new Map();
  recent = [];
  for (const chart of Object.values(charts)) chart.clear();
  clearInterval(timer);
  timer = setInterval(refresh, every);
  refresh();
}

/**
 * Begins, and calls back when somebody picks a channel.
 * @param {(channel: string) => void} picked
 */
export function watchNow(picked) {
  pick = picked;
  onRefused(() => clearInterval(timer));
  onOpened(begin);
  $("of").onchange = begin;
  document.addEventListener("visibilitychange", refresh);
  begin();
}
