// The calls of the server, with the operator's key if there is one. It is kept
// for this tab, and for as long as that is open.

import { $ } from "./dom.js";

const kept = "operator-key";

/** An answer that is a refusal, or none at all. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {any} answer
   */
  constructor(status, message, answer) {
    super(message);
    this.status = status;
    this.answer = answer;
  }
}

/** @type {((problem: string, keyHelps: boolean) => void)[]} */
const refused = [];
/** @type {(() => void)[]} */
const opened = [];

/** Calls back when the operators' calls are refused here, with the reason. */
export const onRefused = (/** @type {typeof refused[number]} */ callback) => refused.push(callback);

/** Calls back when another key may open them. */
export const onOpened = (/** @type {() => void} */ callback) => opened.push(callback);

/**
 * Asks, and returns the answer.
 * @param {string} path below api/
 * @param {unknown} [body] makes it a POST
 * @returns {Promise<any>}
 */
export async function ask(path, body) {
  /** @type {Record<string, string>} */
  const headers = {};
  const key = sessionStorage.getItem(kept);
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  const response = await fetch(`api/${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const message = answer.error?.message ?? `the server answered ${response.status}`;
  if (response.status === 401 || response.status === 403)
    for (const tell of refused) tell(message, response.status === 401);
  throw new Refusal(response.status, message, answer);
}

/**
 * The answer, or null if there is nobody of that name.
 * @param {string} path
 */
export async function lookup(path) {
  try {
    return await ask(path);
  } catch (error) {
    if (error instanceof Refusal && (error.status === 404 || error.status === 400)) return null;
    throw error;
  }
}

onRefused((problem, keyHelps) => {
  $("locked").hidden = false;
  $("locked-text").textContent = `Not shown here: ${problem}.`;
  $("unlock").hidden = !keyHelps;
  for (const part of document.querySelectorAll(".operator")) /** @type {HTMLElement} */ (part).hidden = true;
});

$("unlock").onsubmit = (/** @type {Event} */ event) => {
  event.preventDefault();
  sessionStorage.setItem(kept, $("operator-key").value);
  $("operator-key").value = "";
  $("locked").hidden = true;
  for (const part of document.querySelectorAll(".operator")) /** @type {HTMLElement} */ (part).hidden = false;
  for (const tell of opened) tell();
};
