// Lines to copy, for the channel that the publish form names.

import { $, button } from "./dom.js";

let info = { broker: "embedded", redis: { host: "127.0.0.1", port: 6380 }, prefix: "sb:", publish: true };
let tab = "Shell";

/** @param {string} text */
const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @returns {Record<string, string>} */
function snippets() {
  const channel = $("to").value || "feed:football:fantasy";
  const { host, port } = info.redis;
  const name = info.prefix + channel;
  const js = JSON.stringify;
  const url = `redis://${host}:${port}`;
  const flags =
    (info.broker === "redis" ? ` --redis ${url}` : port === 6380 ? "" : ` --broker-listen ${host}:${port}`) +
    (info.prefix === "sb:" ? "" : ` --redis-prefix ${quote(info.prefix)}`);
  const php = (/** @type {string} */ text) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const word = /^[\w:.-]+$/.test(channel) ? channel : quote(channel);
  return {
    Shell: `stream-server publish${flags} ${word} '{"goal":1}'`,
    "redis-cli": `redis-cli -h ${host} -p ${port} PUBLISH ${/^[\w:.-]+$/.test(name) ? name : quote(name)} '{"goal":1}'`,
    Browser: `<script src="${location.origin}/sb.js"></script>\n<script>\n  SB.comet(${js(channel)}, function (data) { console.log(data) })\n</script>`,
    Node: `import { createClient } from "redis";\n\nconst redis = await createClient({ url: ${js(url)} }).connect();\nawait redis.publish(${js(name)}, JSON.stringify({ goal: 1 }));`,
    PHP: `$redis = new Redis();\n$redis->connect(${php(host)}, ${port});\n$redis->publish(${php(name)}, json_encode(['goal' => 1]));`,
    Python: `import json, redis\n\nr = redis.Redis(${js(host)}, ${port})\nr.publish(${js(name)}, json.dumps({"goal": 1}))`,
    Go: `// import "github.com/sb-stream/stream-server/web"; SB_REDIS=${url}\nerr := web.Stream(ctx, ${js(channel)}, map[string]int{"goal": 1})`,
    curl: `curl -H 'Authorization: Bearer KEY' \\\n  --json ${quote(js({ channel, data: { goal: 1 } }))} \\\n  ${location.origin}/api/publish`,
  };
}

function showSnippet() {
  const all = snippets();
  $("code").textContent = all[tab];
  $("first-line").textContent = all["redis-cli"];
  if (!$("tabs").children.length) {
    for (const label of Object.keys(all)) {
      const choose = () => {
        tab = label;
        showSnippet();
      };
      $("tabs").append(button(label, choose, { role: "tab" }));
    }
  }
  for (const each of $("tabs").children) {
    const chosen = each.textContent === tab;
    each.ariaSelected = String(chosen);
    each.tabIndex = chosen ? 0 : -1;
  }
}

/** The arrow keys move between tabs, as they do everywhere. @param {KeyboardEvent} event */
function moveTab(event) {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (!step) return;
  const labels = [...$("tabs").children];
  const next = labels[(labels.findIndex((b) => b.textContent === tab) + step + labels.length) % labels.length];
  next.click();
  next.focus();
}

/** Shows the lines, and again when it is known where the broker is. */
export async function beginSnippets() {
  $("to").oninput = showSnippet;
  $("tabs").onkeydown = moveTab;
  $("copy").onclick = async () => {
    await navigator.clipboard.writeText($("code").textContent);
    $("copy").textContent = "Copied";
    setTimeout(() => {
      $("copy").textContent = "Copy";
    }, 1500);
  };
  showSnippet();
  try {
    const response = await fetch("api/info");
    if (response.ok) info = await response.json();
  } catch {
    // The lines keep the usual addresses.
  }
  showSnippet();
}
