// Sessions as rows, and what an operator may do to them.

import { ask, Refusal } from "./api.js";
import { $, button, confirmed, make, many, table } from "./dom.js";
import { generations } from "./now.js";
import { askWhy } from "./why.js";

/** @typedef {{ id: string, member?: string, transport: string, protocol: number, node: string, channels?: string[], omitted?: number }} Session */

/**
 * Does something to sessions once it is confirmed, and says what became of it.
 * @param {string} path
 * @param {Record<string, string>} body
 * @param {string} question
 * @param {string} verb
 * @param {() => void} again
 */
async function act(path, body, question, verb, again) {
  if (!(await confirmed(question, verb))) return;
  const said = $("done");
  try {
    const { sessions } = await ask(path, body);
    said.className = "";
    said.textContent = `Done: ${many(sessions, "session")}.`;
  } catch (error) {
    said.className = "wrong";
    said.textContent = error instanceof Refusal ? (error.answer.error?.message ?? error.message) : String(error);
  }
  again();
}

/**
 * @param {Record<string, string>} whom session or member
 * @param {string} words
 * @param {() => void} again
 */
export const disconnect = (whom, words, again) =>
  act(
    "disconnect",
    whom,
    `Disconnect ${words}? It does not come back by itself, but may connect again.`,
    "Disconnect",
    again,
  );

/**
 * @param {string} session
 * @param {string} channel
 * @param {() => void} again
 */
const unsubscribe = (session, channel, again) =>
  act(
    "unsubscribe",
    { session, channel },
    `Take the channel ${channel} from session ${session}? It is told so, and may subscribe again if what it was granted says so.`,
    "Unsubscribe",
    again,
  );

/**
 * Rows of sessions. With a channel they are those that hear it; without, what
 * each hears is shown.
 * @param {Session[]} sessions
 * @param {string} channel
 * @param {() => void} again
 */
export function sessionTable(sessions, channel, again) {
  const rows = sessions.map((s) => {
    const name = s.id.slice(0, 6);
    const kind = `${generations[s.protocol] ?? "plain HTTP"}, ${s.transport}`;
    const end = button("Disconnect", () => disconnect({ session: s.id }, `session ${s.id}`, again), {
      className: "danger",
      ariaLabel: `Disconnect session ${name}`,
    });
    const cells = [make("code", {}, s.id), kind, s.node];
    if (channel) {
      const why = button("Why?", () => askWhy(s.id), { className: "quiet", ariaLabel: `Why, for session ${name}` });
      const take = button("Unsubscribe", () => unsubscribe(s.id, channel, again), {
        className: "quiet",
        ariaLabel: `Unsubscribe session ${name}`,
      });
      cells.splice(1, 0, s.member ?? "");
      return [...cells, make("span", { className: "actions" }, why, take, end)];
    }
    const hears = (s.channels ?? []).slice(0, 20).map((tag) => {
      const take = button("×", () => unsubscribe(s.id, tag, again), { ariaLabel: `Unsubscribe from ${tag}` });
      return make("li", {}, tag, take);
    });
    const more = (s.channels?.length ?? 0) + (s.omitted ?? 0) - hears.length;
    if (more > 0) hears.push(make("li", { className: "hint" }, `and ${more} more`));
    return [...cells, make("ul", { className: "chips" }, ...hears), end];
  });
  const head = channel ? ["Session", "Member", "Client", "Node", "Do"] : ["Session", "Client", "Node", "Hears", "Do"];
  return table("Sessions", head, rows);
}

/**
 * The sessions that hear a channel, a page at a time.
 * @param {string} path with a limit
 * @param {string} channel
 * @param {() => void} again
 */
export async function pagedSessions(path, channel, again) {
  const box = make("div", {});
  const show = async (/** @type {string} */ after) => {
    const page = await ask(`${path}&after=${encodeURIComponent(after)}`);
    const shown = sessionTable(page.sessions, channel, again);
    const next = page.next && button("Next sessions", () => show(page.next), { className: "quiet" });
    const first = after && button("First sessions", () => show(""), { className: "quiet" });
    box.replaceChildren(shown, make("p", { className: "row" }, first, next));
  };
  try {
    await show("");
  } catch (error) {
    if (!(error instanceof Refusal && error.status === 404)) throw error; // the last one has just left
  }
  return box;
}
