/**
 * Positions that outlive the page, for {resume: "session"}: in sessionStorage,
 * which is one tab's alone and lasts as long as it. Storage may be forbidden,
 * full, or not there at all; then a reload begins anew.
 */

const saveDelay = 1000; // ms from a message to its place in storage, unless the page goes before

export class Positions {
  /** @type {Map<string, string>} by key; what storage does not have yet */
  #unsaved = new Map();
  #keyOf;

  /** @param {(tag: string) => string} keyOf where a channel's position is */
  constructor(keyOf) {
    this.#keyOf = keyOf;
  }

  /**
   * @param {string} tag
   * @returns {string | undefined}
   */
  load(tag) {
    try {
      return sessionStorage[this.#keyOf(tag)];
    } catch {}
  }

  /**
   * Called for every message, so it writes for many at a time.
   *
   * @param {string} tag
   * @param {string} position
   */
  save(tag, position) {
    if (!this.#unsaved.size) {
      setTimeout(this.#flush, saveDelay);
      globalThis.addEventListener?.("pagehide", this.#flush);
    }
    this.#unsaved.set(this.#keyOf(tag), position);
  }

  /** @param {string} tag */
  forget(tag) {
    const key = this.#keyOf(tag);
    this.#unsaved.delete(key);
    try {
      delete sessionStorage[key];
    } catch {}
  }

  #flush = () => {
    try {
      for (const [key, position] of this.#unsaved) {
        sessionStorage[key] = position;
      }
    } catch {}
    this.#unsaved.clear();
  };
}
