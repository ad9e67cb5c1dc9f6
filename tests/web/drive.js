// SPDX-License-Identifier: GPL-3.0-or-later
// Drives a headless Chromium over the page and prints what it found as one JSON object: drive.js '{"modules","chromium","port","shots","report"}',
// where report is a file of edgemedia report.
// It judges nothing; tests/system/test_page.py does.
"use strict";
const fs = require("fs");
const { modules, chromium: program, port, shots, report } = JSON.parse(process.argv[2]);
const { chromium } = require(`${modules}/playwright-core`);
const axe = fs.readFileSync(`${modules}/axe-core/axe.min.js`, "utf8");
const VIEWS = [["light", 1280, 900, "light"], ["dark", 1280, 900, "dark"], ["phone", 390, 844, "light"], ["phone-dark", 390, 844, "dark"]];

const texts = (page, selector) => page.$$eval(selector, (all) => all.map((e) => e.textContent));
const PATIENCE_MS = 60000; // a sanitized daemon on a machine that runs other tests, too
const ready = (page) => page.waitForSelector('#calls-rows[aria-busy="false"] tr', { timeout: PATIENCE_MS });

async function violations(page) {
  await page.evaluate(axe); // not through the page's own policy, which forbids it
  const found = await page.evaluate(() => axe.run());
  return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 200)).join(" ; ")}`);
}

async function look(browser, [name, width, height, colorScheme], console_) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && console_.push(`${name}: ${m.text()} ${m.location().url}`));
  page.on("pageerror", (e) => console_.push(`${name}: ${e}`));
  page.on("dialog", (d) => { console_.push(`${name}: dialog ${d.message()}`); d.dismiss(); });
  page.on("request", (r) => new URL(r.url()).origin !== `http://127.0.0.1:${port}` && !/^(data|blob):/.test(r.url()) && console_.push(`${name}: asked ${r.url()}`));
  await page.goto(`http://127.0.0.1:${port}/`);
  await ready(page);
  await page.screenshot({ path: `${shots}/page-${name}.png` });
  await page.locator("#graphs").scrollIntoViewIfNeeded();
  await page.waitForSelector("#graphs-list .band canvas", { timeout: PATIENCE_MS }).catch(async (e) => {
    throw new Error(`${e.message}\nThe graphs say: ${await page.textContent("#graphs")}\n${console_.join("\n")}`);
  });
  for (const list of ["#findings-list", "#edges-list"]) await page.locator(`${list} summary`).first().click(); // a locator looks again when the list is rebuilt
  await page.fill("#ice-value", "0x8000100");
  const seen = { violations: await violations(page), width: await page.evaluate(() => document.documentElement.scrollWidth), wanted: width };
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: `${shots}/page-${name}-whole.png`, fullPage: true });
  return [page, seen];
}

async function downloaded(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  return fs.readFileSync(await download.path(), "utf8");
}

async function use(page) {
  const found = {
    title: await page.title(), word: await page.textContent("#now-word"), headline: await page.textContent("#now-title"), facts: await texts(page, "#now-facts > *"),
    totals: await page.$$eval("[data-total]", (all) => Object.fromEntries(all.map((e) => [e.dataset.total, e.textContent]))),
    recent: await page.$$eval("[data-count]", (all) => Object.fromEntries(all.map((e) => [e.dataset.count, e.textContent]))),
    findings: await texts(page, "#findings-list h3"), edges: await texts(page, ".edge > summary b"), verdicts: await texts(page, ".edge > summary .pill"),
    paths: await texts(page, ".edge[open] tbody th"), meaning: await texts(page, "#ice-meaning code"), live: await page.textContent("#live-text"),
    rows: await page.$$eval("#calls-rows tr", (all) => all.map((r) => [...r.children].map((c) => c.textContent))),
    scripts: await page.$$eval("script", (all) => all.map((e) => e.getAttribute("src"))), alien: await page.$$eval("main img, main iframe, main b b, main marquee", (all) => all.length),
    pwned: await page.evaluate(() => window.pwned === undefined ? null : String(window.pwned)),
    csv: await downloaded(page, "#calls-csv"), json: JSON.parse(await downloaded(page, "#calls-json")),
  };
  const count = async () => {
    await page.waitForSelector('#calls-rows[aria-busy="false"]', { state: "attached", timeout: PATIENCE_MS });
    return page.$$eval("#calls-rows tr", (all) => all.length);
  };
  await page.selectOption("#call-code", "22");
  found.of_code_22 = await count();
  await page.selectOption("#call-code", "");
  await page.selectOption("#call-ice", "0x100");
  found.of_flag_100 = await count();
  await page.selectOption("#call-ice", "");
  await page.fill("#call-text", "CALL-3");
  found.of_text = await count();
  await page.fill("#call-text", "");
  const peers = () => page.$$eval("#peers-list tbody tr", (all) => all.map((r) => [...r.children].map((c) => c.textContent)));
  found.relays = await peers();
  await page.click("#peers-list button");
  found.of_peer = await count();
  found.peer = await page.inputValue("#call-peer");
  found.link = new URL(await page.getAttribute("#calls-csv", "href"), page.url()).searchParams.get("peer");
  found.csv_of_peer = await downloaded(page, "#calls-csv");
  await page.fill("#call-peer", "");
  await page.selectOption("#peers-kind", "domain");
  found.domains = await peers();
  found.only = await page.textContent("#peers-summary");
  found.sums = await texts(page, "#graphs-list .sum");
  await page.click("#findings-list button");
  found.of_finding = await count();
  found.focus = await page.evaluate(() => document.activeElement.textContent);
  found.form_of_finding = await page.inputValue("#call-media");
  await page.keyboard.press("Enter");
  found.of_all_again = await count();
  await page.fill("#call-id", found.rows[0][8]);
  found.of_call = await count();
  await page.fill("#call-id", "");
  await page.fill("#call-since", "2035-01-01T00:00:01");
  found.of_future = [await count(), await page.textContent("#calls-summary")];
  await page.fill("#call-since", "");
  await count();
  await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
  await page.focus(".skip");
  found.first_tab = await page.evaluate(() => document.activeElement.className);
  await page.focus(".edge > summary");
  await page.keyboard.press("Enter");
  found.closed_by_key = await page.$eval(".edge", (e) => !e.open);
  return found;
}

async function lookAtReport(browser, colorScheme, console_) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 1200 }, colorScheme });
  const page = await context.newPage();
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && console_.push(`report: ${m.text()}`));
  page.on("dialog", (d) => { console_.push(`report: dialog ${d.message()}`); d.dismiss(); });
  page.on("request", (r) => r.url().startsWith("file:") || console_.push(`report: asked ${r.url()}`));
  await page.goto(`file://${report}`);
  const seen = { violations: await violations(page), text: await page.textContent("body"), width: await page.evaluate(() => document.documentElement.scrollWidth), pages: (await page.pdf({ format: "A4" })).length };
  await page.screenshot({ path: `${shots}/report-${colorScheme}.png`, fullPage: true });
  await context.close();
  return seen;
}

(async () => {
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu"] }), messages = [], looks = {}, reports = [];
  let used = null;
  try {
    for (const view of VIEWS) {
      const [page, seen] = await look(browser, view, messages);
      looks[view[0]] = seen;
      if (!used) used = await use(page);
      await page.context().close();
    }
    for (const scheme of ["light", "dark"]) reports.push(await lookAtReport(browser, scheme, messages));
  } finally {
    await browser.close();
  }
  process.stdout.write(JSON.stringify({ messages, looks, used, reports }));
})();
