// The live page: listens with SB.comet, publishes with /api/publish, and shows
// what /api/stats says. Everything from outside is set as text, never as HTML.

const rows = 200; // messages that are kept
const points = 60; // seconds that the charts show

const $ = (id) => document.getElementById(id);
const params = new URLSearchParams(location.search);
const listening = new Map(); // channel → the function that stops it
let info = { broker: "embedded", redis: { host: "127.0.0.1", port: 6380 }, prefix: "sb:", publish: true };

// The key comes in the fragment, which no server sees; it leaves the address so
// that nobody reads it over a shoulder or copies it with the link.
function readKey() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key) {
    sessionStorage.setItem("publish-key", key);
    history.replaceState(null, "", location.pathname + location.search);
  }
  $("key").value = sessionStorage.getItem("publish-key") ?? "";
  $("key-field").hidden = $("key").value !== "";
}

function setState(text, on) {
  $("state-text").textContent = text;
  $("state").className = on ? "on" : "off";
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = text === "";
}

function keepInAddress() {
  const query = new URLSearchParams();
  for (const channel of listening.keys()) query.append("channel", channel);
  history.replaceState(null, "", `${location.pathname}?${query}${location.hash}`);
}

function listen(channel) {
  if (!channel || listening.has(channel)) return;
  let stop;
  try {
    stop = SB.comet(channel, (data) => show(channel, JSON.stringify(data, null, 1).replace(/\n\s*/g, " ")));
  } catch (error) {
    problem(error.message);
    return;
  }
  problem("");
  const chip = document.createElement("li");
  chip.append(channel);
  const remove = document.createElement("button");
  remove.type = "button";
  remove.textContent = "×";
  remove.ariaLabel = `Stop listening to ${channel}`;
  remove.onclick = () => forget(channel);
  chip.append(remove);
  $("channels").append(chip);
  listening.set(channel, () => {
    stop();
    chip.remove();
  });
  keepInAddress();
}

function forget(channel) {
  listening.get(channel)?.();
  listening.delete(channel);
  keepInAddress();
}

function show(channel, text, kind = "") {
  const row = document.createElement("li");
  row.className = kind;
  const head = document.createElement("p");
  const name = document.createElement("span");
  name.textContent = channel;
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString();
  head.append(name, time);
  const body = document.createElement("pre");
  body.textContent = text;
  row.append(head, body);
  $("messages").prepend(row);
  while ($("messages").children.length > rows) $("messages").lastChild.remove();
  $("empty").hidden = true;
}

async function publish() {
  const text = $("data").value;
  let data;
  let note = "";
  try {
    data = JSON.parse(text);
  } catch {
    data = text;
    note = " (sent as a string: it is no JSON)";
  }
  const outcome = $("outcome");
  outcome.className = "";
  outcome.textContent = "…";
  try {
    const response = await fetch("api/publish", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${$("key").value}` },
      body: JSON.stringify({ channel: $("to").value, data }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error.message);
    if ($("key").value) sessionStorage.setItem("publish-key", $("key").value);
    const n = answer.channels[$("to").value].sessions;
    outcome.textContent = `reached ${n} ${n === 1 ? "session" : "sessions"}${note}`;
  } catch (error) {
    outcome.className = "wrong";
    outcome.textContent = error.message;
    $("key-field").hidden = false;
  }
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// Lines to copy, for the channel that the publish form names.
function snippets() {
  const channel = $("to").value || "feed:football:fantasy";
  const { host, port } = info.redis;
  const name = info.prefix + channel;
  const js = JSON.stringify;
  const url = `redis://${host}:${port}`;
  const flags =
    (info.broker === "redis" ? ` --redis ${url}` : port === 6380 ? "" : ` --broker-listen ${host}:${port}`) +
    (info.prefix === "sb:" ? "" : ` --redis-prefix ${quote(info.prefix)}`);
  const php = (text) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const word = /^[\w:.-]+$/.test(channel) ? channel : quote(channel);
  return {
    Shell: `stream-server publish${flags} ${word} '{"goal":1}'`,
    "redis-cli": `redis-cli -h ${host} -p ${port} PUBLISH ${/^[\w:.-]+$/.test(name) ? name : quote(name)} '{"goal":1}'`,
    Browser: `<script src="${location.origin}/sb.js"></script>\n<script>\n  SB.comet(${js(channel)}, function (data) { console.log(data) })\n</script>`,
    Node: `import { createClient } from "redis";\n\nconst redis = await createClient({ url: ${js(url)} }).connect();\nawait redis.publish(${js(name)}, JSON.stringify({ goal: 1 }));`,
    PHP: `$redis = new Redis();\n$redis->connect(${php(host)}, ${port});\n$redis->publish(${php(name)}, json_encode(['goal' => 1]));`,
    Python: `import json, redis\n\nr = redis.Redis(${js(host)}, ${port})\nr.publish(${js(name)}, json.dumps({"goal": 1}))`,
    Go: `// import "github.com/sb-stream/stream-server/web"; SB_REDIS=${url}\nerr := web.Stream(ctx, ${js(channel)}, map[string]int{"goal": 1})`,
    curl: `curl -H 'Authorization: Bearer KEY' \\\n  -d ${quote(js({ channel, data: { goal: 1 } }))} \\\n  ${location.origin}/api/publish`,
  };
}

let tab = "Shell";

function showSnippet() {
  const all = snippets();
  $("code").textContent = all[tab];
  $("first-line").textContent = all["redis-cli"];
  if (!$("tabs").children.length) {
    for (const label of Object.keys(all)) {
      const button = document.createElement("button");
      button.type = "button";
      button.role = "tab";
      button.textContent = label;
      button.onclick = () => {
        tab = label;
        showSnippet();
      };
      $("tabs").append(button);
    }
  }
  for (const button of $("tabs").children) {
    const chosen = button.textContent === tab;
    button.ariaSelected = String(chosen);
    button.tabIndex = chosen ? 0 : -1;
  }
}

// The arrow keys move between tabs, as they do everywhere.
function moveTab(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const labels = [...$("tabs").children];
  const next = labels[(labels.findIndex((b) => b.textContent === tab) + step + labels.length) % labels.length];
  next.click();
  next.focus();
}

const series = { sessions: [], channels: [], rate: [] };
let before; // the figures a second ago

function draw(id, list, value) {
  if (!list.length) list.push(...Array(points - 1).fill(0));
  list.push(value);
  if (list.length > points) list.shift();
  const most = Math.max(...list, 1);
  const step = 120 / (points - 1);
  $(id).setAttribute(
    "points",
    list
      .map((v, i) => `${(120 - (list.length - 1 - i) * step).toFixed(1)},${(30 - (v / most) * 28).toFixed(1)}`)
      .join(" "),
  );
}

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch("api/stats");
    if (response.status === 401 || response.status === 403) {
      hideFigures((await response.json()).error.message);
      return;
    }
    const now = { ...(await response.json()), at: performance.now() };
    const rate = before ? ((now.messages_out - before.messages_out) * 1000) / (now.at - before.at) : 0;
    before = now;
    $("sessions").textContent = now.sessions.toLocaleString();
    $("channel-count").textContent = now.channels.toLocaleString();
    $("rate").textContent = Math.round(rate).toLocaleString();
    draw("sessions-chart", series.sessions, now.sessions);
    draw("channels-chart", series.channels, now.channels);
    draw("rate-chart", series.rate, rate);
  } catch {
    // The server is away: the state above says so.
  }
}

function hideFigures(why) {
  clearInterval(timer);
  $("figures").hidden = true;
  $("figures-hidden").textContent = `Not shown here: ${why}.`;
  $("figures-hidden").hidden = false;
}

async function readInfo() {
  try {
    const response = await fetch("api/info");
    if (response.ok) info = await response.json();
  } catch {
    // The lines keep the usual addresses.
  }
  showSnippet();
}

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

$("subscribe").onsubmit = (event) => {
  event.preventDefault();
  listen($("channel").value.trim());
};
$("publish").onsubmit = (event) => {
  event.preventDefault();
  publish();
};
$("to").oninput = showSnippet;
$("tabs").onkeydown = moveTab;
$("copy").onclick = async () => {
  await navigator.clipboard.writeText($("code").textContent);
  $("copy").textContent = "Copied";
  setTimeout(() => {
    $("copy").textContent = "Copy";
  }, 1500);
};

readKey();
const first = params.getAll("channel").filter(Boolean);
if (!first.length) first.push("feed:football:fantasy");
$("channel").value = $("to").value = first[0];
for (const channel of first) listen(channel);
showSnippet();
readInfo();
const timer = setInterval(refresh, 1000);
refresh();
