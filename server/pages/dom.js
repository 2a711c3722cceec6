// Elements of the page. Whatever comes from outside is set as text, never as HTML.

/**
 * The element of the page with this id.
 * @param {string} id
 * @returns {any}
 */
export const $ = (id) => document.getElementById(id);

/**
 * A new element, with properties, and with text and elements in it.
 * @param {string} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(.../** @type {(Node | string)[]} */ (children.filter(Boolean)));
  return element;
}

/**
 * A button that does something.
 * @param {string} text
 * @param {() => void} onclick
 * @param {Record<string, unknown>} [properties]
 */
export const button = (text, onclick, properties = {}) =>
  make("button", { type: "button", textContent: text, onclick, ...properties });

/**
 * Rows under a head, as a table that scrolls by itself where there is no room.
 * @param {string} label
 * @param {string[]} head
 * @param {(string | Node)[][]} rows
 */
export function table(label, head, rows) {
  const line = (/** @type {string} */ tag, /** @type {(string | Node)[]} */ cells) =>
    make("tr", {}, ...cells.map((cell) => make(tag, tag === "th" ? { scope: "col" } : {}, cell)));
  const body = make("tbody", {}, ...rows.map((row) => line("td", row)));
  const inner = make("table", { ariaLabel: label }, make("thead", {}, line("th", head)), body);
  return make("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: label }, inner);
}

/**
 * Asks before something that cannot be undone.
 * @param {string} question
 * @param {string} verb
 * @returns {Promise<boolean>}
 */
export function confirmed(question, verb) {
  const dialog = $("confirm");
  $("confirm-text").textContent = question;
  $("confirm-yes").textContent = verb;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** @param {number} n */
export const count = (n) => Math.round(n).toLocaleString();

/**
 * n things, in words.
 * @param {number} n
 * @param {string} one
 */
export const many = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;

/**
 * A number of few digits, such as a rate.
 * @param {number} n
 */
export const short = (n) => (n >= 10 || n === 0 ? count(n) : n.toFixed(n < 1 ? 2 : 1));

/** @param {number} n */
export function size(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${n >= 10 || i === 0 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/** @param {string} at as in JSON */
export const clock = (at) => new Date(at).toLocaleTimeString(undefined, { hour12: false });
