// SPDX-License-Identifier: GPL-3.0-or-later
// Prints how long the page took in a headless Chromium, in ms: paint.js '{"modules","chromium","port","edges"}'.
"use strict";
const { modules, chromium: program, port, edges } = JSON.parse(process.argv[2]);
const { chromium } = require(`${modules}/playwright-core`);

(async () => {
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    const whole = await page.waitForFunction((n) => document.getElementById("edges-summary").textContent.startsWith(n) && performance.now(), edges, { polling: 5 });
    const first = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
    process.stdout.write(JSON.stringify({ first_paint_ms: Math.round(first), filled_ms: Math.round(await whole.jsonValue()) }));
  } finally {
    await browser.close();
  }
})();
