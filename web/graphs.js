// SPDX-License-Identifier: GPL-3.0-or-later
// Graphs of /api/v1/history: calls over time by what failed, and of one edge the verdicts as bands, round trips and retransmits.
"use strict";

(() => {
  const RANGES = { "1h": "1 hour", "24h": "24 hours", "7d": "7 days", "60d": "60 days" };
  const AGAIN_MS = 30000, AFTER_FAILURE_MS = 3000;
  const LIGHT = ["#c92a2f", "#1769c2", "#12693c", "#8a4bb0", "#b35900", "#007a87", "#8f5f00", "#5b6470"];
  const DARK = ["#ff7b7f", "#6db1ff", "#6fd79a", "#cd9af0", "#f5a556", "#57cfdc", "#e2c05c", "#aab4c0"];
  const PHASES = { resolve_us: "resolve", connect_us: "connect", tls_us: "TLS", stun_us: "STUN", allocate_us: "allocate", relay_us: "relay", rtt_us: "round trip" };
  const CALLS = [
    ["What failed", "media_failures,code_23,tcp_nat_check,code_23_tcp_nat", (s) => ({ media_failures: "failed calls", code_23: "code 23", tcp_nat_check: "TCP NAT check", code_23_tcp_nat: "both together" })[s.series]],
    ["By code", "codes", (s) => `code ${s.code}`],
    ["By ICE flag", "ice_warnings", (s) => `${s.value} ${s.name}`],
    ["By media", "media", (s) => s.media],
    ["By far relay", "relays", (s) => s.peer || "other relays"],
    ["By far domain", "domains", (s) => s.peer || "other domains"],
  ];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let range = "24h", edge = "", askedAt = 0, asking = false, edgesKnown = "", plots = [];

  async function ask(series, ofEdge) {
    const query = new URLSearchParams({ series, range });
    if (ofEdge) query.set("edge", ofEdge);
    const answer = await fetch(`/api/v1/history?${query}`);
    if (!answer.ok) throw new Error(answer.status === 404 ? "This daemon keeps no history." : `The history cannot be read: ${(await answer.json()).error}`);
    return answer.json();
  }

  const timesOf = (h) => Array.from({ length: h.slots }, (_, i) => h.start + i * h.step);

  // 14:30 within days, 11-23 over days, the day at midnight.
  function whenText(t, step) {
    const iso = new Date(t * 1000).toISOString();
    return step >= 86400 || iso.slice(11, 16) === "00:00" ? iso.slice(5, 10) : iso.slice(11, 16);
  }

  function plot(at, h, lines, unit) {
    const colours = dark.matches ? DARK : LIGHT, ink = css("--muted"), grid = css("--line");
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const u = new uPlot({
      width: Math.max(240, at.clientWidth), height: 190, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "UTC"), cursor: { y: false },
      scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [{ ...axis, values: (_, ticks, __, ___, step) => ticks.map((t) => whenText(t, step)) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((v) => (Number.isInteger(v) || unit ? `${v}${unit}` : "")) }],
      series: [{ label: "Time", value: (_, v) => (v == null ? "" : new Date(v * 1000).toISOString().slice(0, 16).replace("T", " ")) },
        ...lines.map((l, i) => ({ label: l.label, stroke: colours[i % colours.length], width: 1.7, spanGaps: false, points: { show: false }, value: (_, v) => (v == null ? "" : `${v}${unit}`) }))],
    }, [timesOf(h), ...lines.map((l) => l.values)], at);
    u.root.setAttribute("aria-hidden", "true"); // the sentence under it says the same
    plots.push([u, at]);
  }

  function card(title, wide) {
    const body = el("div"), sum = el("p", { class: "sum" });
    return { box: el("article", { class: `graph${wide ? " wide" : ""}` }, el("h3", {}, title), body, sum), body, sum };
  }

  const total = (values) => values.reduce((a, b) => a + (b || 0), 0);
  const mean = (values) => { const some = values.filter((v) => v != null); return some.length ? total(some) / some.length : 0; };

  function showCalls(c, h, label) {
    const named = ["codes", "ice_warnings", "media", "relays", "domains"], some = h.series.filter((s) => !named.includes(s.series) || total(s.values) > 0);
    const lines = some.slice(0, 8).map((s) => ({ label: label(s), values: s.values }));
    c.sum.textContent = lines.length ? `In ${RANGES[range]}: ${lines.map((l) => `${number(total(l.values))} ${l.label}`).join(", ")}.` : "Nothing was counted yet.";
    if (lines.length) plot(c.body, h, lines, "");
  }

  function band(h, s) {
    const canvas = el("canvas", { role: "img" }), seen = {};
    canvas.width = Math.min(1440, s.values.length);
    canvas.height = 1;
    const context = canvas.getContext("2d"), per = s.values.length / canvas.width;
    for (let x = 0; x < canvas.width; x++) {
      const verdict = s.values[Math.floor(x * per)];
      context.fillStyle = css(`--m-${verdict ? groupOf(verdict) : "none"}`);
      context.fillRect(x, 0, 1, 1);
    }
    for (const v of s.values) if (v) seen[v] = (seen[v] || 0) + 1;
    const text = Object.entries(seen).map(([v, n]) => `${v} for ${duration(n * h.step)}`).join(", ") || "not tested";
    canvas.setAttribute("aria-label", `${s.check} ${s.address}: ${text}`);
    canvas.title = text;
    return [el("span", {}, `${s.check} ${s.address}`), canvas];
  }

  function showBands(c, h) {
    const groups = new Set(h.series.flatMap((s) => s.values.map((v) => (v ? groupOf(v) : "none"))));
    c.body.className = "band";
    c.body.append(...h.series.flatMap((s) => band(h, s)));
    c.sum.replaceWith(el("ul", { class: "legend" }, ...[...groups].map((g) => el("li", {}, el("span", { class: `swatch ${g}` }), LEGEND[g]))));
  }

  // The phases of each check, the mean over its addresses.
  function showPhases(c, h) {
    const lines = h.series.filter((s) => s.values.some((v) => v)).map((s) => ({ label: `${s.check} ${PHASES[s.series]}`, values: s.values.map((v) => (v == null ? null : Math.round(v / 10) / 100)) }));
    c.sum.textContent = lines.length ? `Mean: ${lines.slice(0, 8).map((l) => `${l.label} ${mean(l.values).toFixed(2)} ms`).join(", ")}.` : "No probe was answered.";
    if (lines.length) plot(c.body, h, lines.slice(0, 8), " ms");
  }

  function showRetransmits(c, h) {
    const lines = h.series.filter((s) => total(s.values) > 0).map((s) => ({ label: `${s.check} ${s.series === "tcp_retransmits" ? "TCP" : "STUN"}`, values: s.values }));
    c.sum.textContent = lines.length ? `In ${RANGES[range]}: ${lines.slice(0, 8).map((l) => `${number(total(l.values))} ${l.label}`).join(", ")}.` : "None.";
    if (lines.length) plot(c.body, h, lines.slice(0, 8), "");
  }

  async function draw() {
    if (asking) return;
    asking = true;
    try {
      const histories = await Promise.all(CALLS.map(([, series]) => ask(series)));
      const ofEdge = edge ? await Promise.all(["verdict", Object.keys(PHASES).join(","), "stun_retransmits,tcp_retransmits"].map((s) => ask(s, edge))) : [];
      plots.forEach(([u]) => u.destroy());
      plots = [];
      const cards = CALLS.map(([title]) => card(title));
      const edgeCards = edge ? [card(`${edge}: verdicts`, true), card(`${edge}: round trips`), card(`${edge}: retransmits`)] : [];
      byId("graphs-list").replaceChildren(...cards.map((c) => c.box), ...edgeCards.map((c) => c.box));
      byId("graphs-note").textContent = "Calls in each step, by the time of their failure (UTC).";
      CALLS.forEach(([, , label], i) => showCalls(cards[i], histories[i], label));
      if (edge) [showBands, showPhases, showRetransmits].forEach((show, i) => show(edgeCards[i], ofEdge[i]));
      askedAt = Date.now();
    } catch (error) {
      byId("graphs-note").textContent = error.message;
      askedAt = Date.now() - AGAIN_MS + AFTER_FAILURE_MS;
    } finally {
      asking = false;
    }
  }

  const buttons = Object.entries(RANGES).map(([key, words]) => el("button", { type: "button", "aria-pressed": String(key === range), onclick: () => {
    range = key;
    buttons.forEach((b) => b.setAttribute("aria-pressed", String(b.textContent === words)));
    draw();
  } }, words));
  byId("graph-ranges").append(...buttons);
  const select = el("select", { onchange: () => { edge = select.value; draw(); } });
  byId("graph-ranges").before(el("label", {}, "Edge ", select));

  function offerEdges(s) {
    const names = s.edges.map((e) => e.name), text = JSON.stringify(names);
    if (text === edgesKnown) return;
    edgesKnown = text;
    const worst = s.edges.find((e) => moodOf(e.verdict) === "bad");
    if (!names.includes(edge)) edge = worst ? worst.name : names[0] || "";
    select.replaceChildren(...names.map((n) => el("option", { value: n, selected: n === edge }, n)));
    select.parentElement.hidden = names.length === 0;
  }

  // Asked for when it is in sight: what is not looked at costs nothing.
  let inSight = false;
  const due = () => inSight && state && Date.now() - askedAt > AGAIN_MS;
  new IntersectionObserver((entries) => {
    inSight = entries[0].isIntersecting;
    if (due()) draw();
  }, { rootMargin: "400px" }).observe(byId("graphs"));
  document.addEventListener("status", (event) => { offerEdges(event.detail); if (due()) draw(); });
  dark.addEventListener("change", () => plots.length && draw());
  addEventListener("resize", () => plots.forEach(([u, at]) => u.setSize({ width: Math.max(240, at.clientWidth), height: 190 })));
})();
