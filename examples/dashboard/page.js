const find = (id) => document.getElementById(id);
const shown = 120; // readings in a line
const pace = 0.05; // seconds from one reading to the next

/** The number cell and the line of a gauge, as a function of its readings. */
function gauge(row) {
  const { unit = "", each = 1, rate } = row.dataset;
  const cell = Object.assign(row.insertCell(), { className: "value" });
  const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  line.setAttribute("viewBox", `0 0 ${shown} 20`);
  line.setAttribute("preserveAspectRatio", "none");
  line.setAttribute("aria-hidden", "true"); // the number beside it says it
  line.innerHTML = "<polyline/>";
  row.insertCell().append(line);
  const values = [];
  let last;
  return (reading) => {
    const change = last && (reading.value - last.value) / ((reading.number - last.number) * pace);
    last = reading;
    if (rate !== undefined && change === undefined) return;
    const value = (rate === undefined ? reading.value : change) / each;
    values.push(value);
    if (values.length > shown) values.shift();
    cell.textContent = `${Math.round(value).toLocaleString("en")} ${unit}`;
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const points = values.map((v, x) => `${x},${18 - (16 * (v - least)) / (most - least || 1)}`);
    line.firstChild.setAttribute("points", points.join(" "));
  };
}

const gauges = new Map(Array.from(document.querySelectorAll("tr"), (row) => [row.dataset.channel, gauge(row)]));
SB.comet([...gauges.keys()], (reading, { channel }) => gauges.get(channel)(reading));
SB.on("connect", () => {
  find("state").textContent = "live";
});
SB.on("disconnect", () => {
  find("state").textContent = "away …";
});

// Who was away gets the newest reading of each gauge, and none of those before it.
let before = 0;
SB.comet("gauge:publish", ({ number }) => {
  if (before && number > before + 1) {
    find("spared").textContent = `${number - before - 1} readings of each gauge were out of date, and did not come.`;
  }
  before = number;
});
find("pause").addEventListener("click", () => {
  SB.close();
  setTimeout(() => SB.connect(), 3000);
});
