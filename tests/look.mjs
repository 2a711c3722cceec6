// Looks at a page as somebody may who has a dark screen, a phone, or a reader.

import assert from "node:assert/strict";
import { join } from "node:path";

/** Fails for a page that is not plain to all; a picture of it goes to SB_PICTURES, if that is a folder. */
export async function look(page, name) {
  assert.ok(await page.title());
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  assert.equal(await page.locator("h1").count(), 1);
  const nameless = await page
    .locator("input, select, button, textarea")
    .evaluateAll((list) =>
      list.filter((e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim())).map((e) => e.outerHTML),
    );
  assert.deepEqual(nameless, [], "fields and buttons without a name");
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    // WCAG AA, of what text there is on the ground of the page.
    const faint = await page.evaluate(contrastFaults);
    assert.deepEqual(faint, [], `${name}, ${colorScheme}: contrast below 4.5`);
    const { SB_PICTURES } = process.env;
    if (SB_PICTURES) await page.screenshot({ path: join(SB_PICTURES, `${name}-${colorScheme}.png`) });
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize({ width: 340, height: 700 });
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wider <= 0, `${name} is ${wider} pixels wider than a phone`);
}

/** Texts whose colour is too near to what is behind them; runs in the page. */
function contrastFaults() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const pixel = (...layers) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const layer of layers) {
      canvas.fillStyle = layer;
      canvas.fillRect(0, 0, 1, 1);
    }
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const probe = document.body.appendChild(document.createElement("div"));
  probe.style.backgroundColor = "Canvas";
  const ground = dark ? getComputedStyle(probe).backgroundColor : "#fff";
  probe.remove();
  const faults = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("script, style, option")) continue;
    const layers = [ground];
    for (let e = element, over = []; e; e = e.parentElement) {
      over = [getComputedStyle(e).backgroundColor, ...over];
      if (e === document.documentElement) layers.push(...over);
    }
    const behind = luminance(pixel(...layers));
    const text = luminance(pixel(...layers, getComputedStyle(element).color));
    const ratio = (Math.max(behind, text) + 0.05) / (Math.min(behind, text) + 0.05);
    if (ratio < 4.5)
      faults.push(`${element.tagName} "${element.textContent.trim().slice(0, 20)}": ${ratio.toFixed(2)}`);
  }
  return faults;
}
