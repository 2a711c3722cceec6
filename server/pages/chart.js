// A chart of the last minutes: an area under a line that moves to the left.

import { make } from "./dom.js";

const svg = "http://www.w3.org/2000/svg";
const width = 240;
const height = 56;
const span = 120_000; // milliseconds that are shown
const pause = 5_000; // without a point, after which the line is broken

/** @typedef {{ at: number, value: number }} Point */

/** A chart takes points, and draws itself into an element. */
export class Chart {
  /** @type {Point[]} */
  #points = [];
  #line = document.createElementNS(svg, "path");
  #area = document.createElementNS(svg, "path");

  /**
   * @param {Element} into
   * @param {{ floor?: number }} [options] floor is the least that the top of the chart stands for
   */
  constructor(into, { floor = 1 } = {}) {
    this.floor = floor;
    const picture = document.createElementNS(svg, "svg");
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("aria-hidden", "true"); // the figure beside it says it
    picture.setAttribute("class", "chart");
    this.#line.setAttribute("class", "line");
    this.#area.setAttribute("class", "area");
    picture.append(this.#area, this.#line);
    into.append(picture);
  }

  /** Forgets what was. */
  clear() {
    this.#points = [];
  }

  /**
   * Adds a point, and draws.
   * @param {number} value
   * @param {number} at milliseconds, later than those before
   */
  add(value, at) {
    this.#points.push({ at, value });
    while (this.#points[0].at < at - span - pause) this.#points.shift();
    const most = Math.max(this.floor, ...this.#points.map((p) => p.value));
    const x = (/** @type {Point} */ p) => (width - ((at - p.at) / span) * width).toFixed(1);
    const y = (/** @type {Point} */ p) => (height - 2 - (p.value / most) * (height - 6)).toFixed(1);
    let line = "";
    let area = "";
    for (const run of this.#runs()) {
      const path = run.map((p) => `${x(p)} ${y(p)}`).join("L");
      line += `M${path}${run.length === 1 ? "h.1" : ""}`;
      area += `M${x(run[0])} ${height}L${path}L${x(run[run.length - 1])} ${height}Z`;
    }
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
  }

  /** The points, cut where nobody looked for a while. */
  #runs() {
    /** @type {Point[][]} */
    const runs = [];
    let before = Number.NEGATIVE_INFINITY;
    for (const point of this.#points) {
      if (point.at - before > pause) runs.push([]);
      runs[runs.length - 1].push(point);
      before = point.at;
    }
    return runs;
  }
}

/** @typedef {{ name: string, value: number, text: string }} Bar */

/**
 * A list of names with figures, and a bar for each: how large it is beside the
 * largest. Lines stay the elements that they are, so that nobody who is on one
 * with the keyboard is thrown out by the next second.
 * @param {Element} list
 * @param {Bar[]} rows
 * @param {string} nothing what to say if there are none
 * @param {(name: string) => void} [pick] makes the names buttons
 */
export function bars(list, rows, nothing, pick) {
  const most = Math.max(...rows.map((row) => row.value), Number.MIN_VALUE);
  list.querySelector(".hint")?.remove();
  while (list.children.length > rows.length) list.lastElementChild?.remove();
  while (list.children.length < rows.length) list.append(line(pick));
  rows.forEach(({ name, value, text }, i) => {
    const [label, figure, bar] = /** @type {HTMLCollectionOf<HTMLElement>} */ (list.children[i].children);
    if (label.textContent !== name) label.textContent = label.title = name;
    figure.textContent = text;
    bar.style.width = `${(100 * value) / most}%`;
  });
  if (rows.length === 0) list.append(make("li", { className: "hint", textContent: nothing }));
}

/** @param {((name: string) => void) | undefined} pick */
function line(pick) {
  const label = make(pick ? "button" : "span", { className: "name" });
  if (pick) {
    label.type = "button";
    label.onclick = () => pick(label.textContent);
  }
  return make("li", {}, label, make("span", { className: "figure" }), make("span", { className: "bar" }));
}
