/**
 * Callbacks by name, and the one place where they are called: a callback that
 * throws stops neither the others nor us.
 */

/** @typedef {(...args: any[]) => void} Callback */

/**
 * Calls each of them, but none that one before it has taken away or added.
 * What one throws is reported as an uncaught error is, in a turn of its own.
 *
 * @param {Set<Callback>} callbacks
 * @param {...any} args
 */
export function callAll(callbacks, ...args) {
  for (const callback of [...callbacks]) {
    try {
      if (callbacks.has(callback)) {
        callback(...args);
      }
    } catch (error) {
      setTimeout(() => (globalThis.reportError ?? console.error)(error));
    }
  }
}

export class Emitter {
  /** @type {Map<string, Set<Callback>>} */
  #callbacks = new Map();

  /**
   * @param {string} name
   * @param {Callback} callback
   */
  on(name, callback) {
    const callbacks = this.#callbacks.get(name) ?? new Set();
    this.#callbacks.set(name, callbacks.add(callback));
  }

  /**
   * @param {string} name
   * @param {Callback} callback
   */
  removeListener(name, callback) {
    this.#callbacks.get(name)?.delete(callback);
  }

  /**
   * Calls whoever listens for name, and says if anybody does.
   *
   * @param {string} name
   * @param {...any} args
   */
  fire(name, ...args) {
    const callbacks = this.#callbacks.get(name) ?? new Set();
    callAll(callbacks, ...args);
    return callbacks.size > 0;
  }
}
