// SPDX-License-Identifier: GPL-3.0-or-later
// The page: takes the status from the daemon, live, and shows it. Whatever comes from outside becomes text nodes, never markup.
"use strict";

const byId = (id) => document.getElementById(id);
const SHOWN_EDGES = 40, SHOWN_CALLS = 50, CALLS_MAX = 1000, POLL_MS = 10000, STALE_MS = 30000, CALLS_MS = 5000;

// An element: attributes, then children; strings become text.
function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (value === true) e.setAttribute(key, "");
    else if (value !== false && value != null) e.setAttribute(key, value);
  }
  e.append(...children.filter((c) => c != null && c !== false));
  return e;
}

// --- words ---

const GROUPS = {
  ok: "ok", degraded: "interfered", refused: "open", filtered: "blocked", prohibited: "blocked", unreachable: "blocked",
  blackholed: "interfered", silent: "interfered", reset: "interfered", intercepted: "interfered", mangled: "interfered",
  untested: "none", error: "none",
};
const groupOf = (verdict) => GROUPS[verdict] || "other";
const LEGEND = {
  ok: "answered", open: "open, nobody listens", blocked: "blocked", interfered: "lets connect, then disturbs",
  other: "answers wrongly", none: "not tested, or not able to",
};

function moodOf(verdict) {
  if (verdict === "ok") return "good";
  if (verdict === "untested") return "off";
  return verdict === "degraded" ? "warn" : "bad";
}
const SIGNS = { good: "✓", warn: "!", bad: "✕", off: "…" };
const pill = (mood, word) => el("span", { class: `pill ${mood}` }, `${SIGNS[mood] || ""} ${word}`);
const verdictPill = (verdict) => pill(moodOf(verdict), verdict);

const MOOD_OF_SEVERITY = { critical: "bad", warning: "warn", notice: "off" };
const RANK = { critical: 3, warning: 2, notice: 1 };

const number = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, " ");
const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many || one + "s"}`;
const clock = (iso) => (iso ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : "never");
const ms = (us) => (us ? `${(us / 1000).toFixed(us < 10000 ? 2 : 0)} ms` : "");

function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129600) return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.round((s % 86400) / 3600)} h`;
}

let state = null; // the newest status
const daemonNow = () => Date.parse(state.daemon.snapshot_time);
const since = (iso) => (iso ? `${clock(iso)} UTC, ${duration((daemonNow() - Date.parse(iso)) / 1000)} ago` : "unknown");

// --- the parts; each is rebuilt only when what it shows has changed, and keeps what is open and what has the focus ---

const shown = new Map();
const opened = new Set();

function keepOpen(key, details) {
  details.open = opened.has(key);
  details.dataset.key = key;
  details.addEventListener("toggle", () => (details.open ? opened.add(key) : opened.delete(key)));
  return details;
}

function part(id, input, build) {
  const text = JSON.stringify(input);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  const at = byId(id), focus = at.contains(document.activeElement) && document.activeElement.closest("[data-key]");
  const key = focus && focus.dataset.key;
  at.replaceChildren(...build());
  if (key) {
    const again = [...at.querySelectorAll("[data-key]")].find((e) => e.dataset.key === key);
    if (again) (again.tagName === "DETAILS" ? again.firstElementChild : again).focus();
  }
}

function findingsOf(s) {
  const evidence = new Map();
  for (const e of s.evidence || s.finding_evidence || []) {
    if (!evidence.has(e.id)) evidence.set(e.id, []);
    evidence.get(e.id).push(e);
  }
  return (s.findings || []).map((f) => ({ ...f, evidence: evidence.get(f.id) || [] }))
    .sort((a, b) => RANK[b.severity] - RANK[a.severity] || (a.since < b.since ? -1 : 1));
}

function affected(s) {
  const r = s.recent, media = Object.entries(s.media).filter(([, n]) => n > 0);
  if (!r.media_failures_1h) return "no failed call in the last hour";
  const only = media.length === 1 ? `, all ${media[0][0]}` : "";
  return `${plural(r.media_failures_1h, "failed call")} in the last hour, ${number(r.media_failures_5m)} of them in the last 5 minutes${only}`;
}

// What a tired reader must know first: is media broken, where, for whom, since when, what to do.
function verdictNow(s, findings) {
  const down = s.edges.filter((e) => moodOf(e.verdict) === "bad"), worst = findings[0];
  if (worst && worst.severity !== "notice") {
    const bad = worst.severity === "critical";
    return {
      mood: bad ? "bad" : "warn", word: bad ? "✕ Media is broken" : "! Media is at risk", title: sentence(worst.text),
      facts: [["Where", [worst.edge, worst.path].filter(Boolean).join(", path ") || "no single edge"], ["For whom", affected(s)],
        ["Since", since(worst.since)], ["What to do", worst.advice, "advice"],
        findings.length > 1 && ["Also", `${plural(findings.length - 1, "more finding")} below`]],
    };
  }
  if (down.length) {
    const first = down.reduce((a, b) => (a.changed_time < b.changed_time ? a : b));
    return {
      mood: "bad", word: "✕ Checks fail", title: `${plural(down.length, "edge")} of ${number(s.edges.length)} ${down.length === 1 ? "does" : "do"} not pass every check`,
      facts: [["Where", down.slice(0, 5).map((e) => `${e.name} (${e.verdict})`).join(", ") + (down.length > 5 ? " and more" : "")],
        ["For whom", affected(s)], ["Since", since(first.changed_time)],
        ["What to do", "Look at the failed checks below; their reasons say how far each probe got.", "advice"]],
    };
  }
  if (s.recent.failure_threshold && s.recent.media_failures_5m >= s.recent.failure_threshold) {
    return { mood: "bad", word: "✕ Calls fail", title: `${plural(s.recent.media_failures_5m, "call")} failed in the last 5 minutes while every check is up`,
      facts: [["For whom", affected(s)], ["What to do", "Look at the failed calls below: what do they have in common?", "advice"]] };
  }
  if (!s.edges.length && !s.sources.length) {
    return { mood: "unknown", word: "… Nothing is watched", title: "The configuration names no edge and no source of evidence",
      facts: [["What to do", "Add an edge to the configuration (edgemedia.conf(5)) and reload the daemon.", "advice"]] };
  }
  if (s.daemon.checks_untested === s.daemon.checks && s.daemon.checks > 0) {
    return { mood: "unknown", word: "… Not known yet", title: "The first probes are under way", facts: [] };
  }
  return { mood: "good", word: "✓ Media works", title: s.edges.length ? `${plural(s.edges.length, "edge")}, every check is up` : "No finding",
    facts: [["Calls", affected(s)], worst && ["Worth knowing", sentence(worst.text)]] };
}
// `commands` of an advice as code.
const withCode = (text) => text.split("`").map((t, i) => (i % 2 ? el("code", {}, t) : t));
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function showNow(s, findings) {
  const v = verdictNow(s, findings), section = byId("now");
  section.className = `now ${v.mood}`;
  if (byId("now-word").textContent !== v.word) byId("now-word").textContent = v.word;
  if (byId("now-title").textContent !== v.title) byId("now-title").textContent = v.title;
  part("now-facts", v.facts, () => v.facts.filter(Boolean).flatMap(([name, text, kind]) => [el("dt", {}, name), el("dd", { class: kind }, ...(kind ? withCode(text) : [text]))]));
  document.title = `${v.word} – Edge Media Monitor`;
}

function showNotes(s) {
  const failed = s.sources.filter((x) => x.state === "failed");
  const notes = failed.map((x) => `Source ${x.name} cannot be read: ${x.error || "no reason given"}. Failed calls may be missing.`);
  for (const reason of health) notes.push(`The daemon is not well: ${reason}`);
  part("notes", notes, () => notes.map((n) => el("p", { class: "note" }, n)));
}

const COUNTS = [
  ["Failed calls", "media_failures", "media_failures"], ["Code 23", "code_23", "code_23"],
  ["TCP NAT check failed", "tcp_nat_check", "tcp_nat_check"], ["Both together", "code_23_tcp_nat", "code_23_tcp_nat"],
];
function showCounts(s) {
  part("counts", [s.recent, ...COUNTS.map((c) => s[c[2]])], () => COUNTS.map(([title, recent, total]) =>
    el("div", { class: `tile${s.recent[`${recent}_5m`] ? " hot" : ""}` }, el("h3", {}, title),
      el("p", { class: "big" }, el("span", { "data-count": recent }, number(s.recent[`${recent}_1h`])), " ", el("small", {}, "in 1 h")),
      el("p", {}, `${number(s.recent[`${recent}_5m`])} in 5 min · ${number(s.recent[`${recent}_1d`])} in 24 h`),
      el("p", {}, el("span", { "data-total": total }, number(s[total])), " in all"))));
}

// The calls that a finding is about: by the far relay that it names, else by the Call-IDs of its evidence.
const callIdsOf = (f) => f.evidence.map((e) => (/Call-ID (.+)$/.exec(e.value) || [])[1]).filter(Boolean);

function findingCard(f) {
  const ids = callIdsOf(f);
  const evidence = f.evidence.map((e) => el("li", {}, el("time", { datetime: e.time }, clock(e.time)), `${e.source}: ${e.value}`));
  return el("article", { class: "card" },
    el("div", { class: "line" }, pill(MOOD_OF_SEVERITY[f.severity], f.severity), el("h3", {}, sentence(f.text))),
    el("p", { class: "meta" }, [f.edge && `Edge ${f.edge}`, f.path && `path ${f.path}`, `since ${clock(f.since)} UTC`, `confidence ${f.confidence}`, f.kind].filter(Boolean).join(" · ")),
    el("p", {}, el("strong", {}, "What to do: "), ...withCode(f.advice)),
    f.refute && el("p", { class: "meta" }, el("strong", {}, "It is something else if: "), f.refute),
    evidence.length > 0 && keepOpen(`finding ${f.id}`, el("details", {}, el("summary", {}, `Evidence: ${plural(f.observations, "observation")}, ${evidence.length} shown`),
      el("ul", { class: "evidence" }, ...evidence))),
    ids.length > 0 && el("button", { type: "button", class: "link", "data-key": `calls of ${f.id}`, onclick: () => showCallsOf(f, ids) }, "Show its calls"));
}

function showFindings(s, findings) {
  part("findings-list", findings, () => (findings.length ? findings.map(findingCard)
    : [el("p", { class: "card quiet" }, "Nothing: no finding is open.")]));
}

// --- edges ---

const EDGE_ORDER = { bad: 0, warn: 1, off: 2, good: 3 };
let allEdges = false;

function checkRow(c) {
  const phases = [["resolve", c.resolve_us], ["connect", c.connect_us], ["TLS", c.tls_us], ["STUN", c.stun_us], ["allocate", c.allocate_us], ["relay", c.relay_us]]
    .filter(([, us]) => us).map(([name, us]) => `${name} ${ms(us)}`).join(", ");
  return el("tr", {}, el("th", { scope: "row" }, c.name), el("td", { class: "fixed" }, verdictPill(c.verdict)), el("td", {}, c.reason),
    el("td", {}, `${c.address || c.uri} ${c.port ? `port ${c.port}` : ""} ${c.transport}`), el("td", { class: "fixed" }, ms(c.rtt_us)), el("td", {}, phases),
    el("td", { class: "fixed" }, number(c.tcp_retransmits + c.stun_retransmits)), el("td", { class: "fixed" }, clock(c.changed_time)));
}

function rangeRow(r) {
  return el("tr", {}, el("th", { scope: "row" }, r.name), el("td", { class: "fixed" }, verdictPill(r.clear ? "ok" : r.verdict)), el("td", {}, r.reason),
    el("td", {}, `${r.host} ports ${r.first_port}-${r.last_port} ${r.transport}`), el("td", { class: "fixed" }, ms(r.rtt_us)), el("td", {}, `${number(r.tested)} ports tested`),
    el("td", { class: "fixed" }, number(r.tcp_retransmits)), el("td", { class: "fixed" }, clock(r.changed_time)));
}

function edgeBody(edge) {
  const heads = ["Path", "Verdict", "Reason", "Where", "Round trip", "Phases", "Retransmits", "Since (UTC)"];
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Paths of ${edge.name}` }, el("table", {},
    el("thead", {}, el("tr", {}, ...heads.map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...state.checks.filter((c) => c.edge === edge.edge).map(checkRow), ...state.ranges.filter((r) => r.edge === edge.edge).map(rangeRow))));
}

function edgeLine(edge) {
  const details = el("details", { class: "edge" }, el("summary", {}, el("b", {}, edge.name), verdictPill(edge.verdict),
    el("span", {}, `${edge.checks_up} of ${edge.checks} up`), el("span", { class: "wide" }, edge.changed_time ? `since ${clock(edge.changed_time)} UTC` : "")));
  const fill = () => details.open && details.children.length === 1 && details.append(edgeBody(edge));
  details.addEventListener("toggle", fill);
  keepOpen(`edge ${edge.edge}`, details);
  fill();
  return details;
}

function showEdges(s) {
  const wanted = byId("edge-filter").value.trim().toLowerCase();
  const edges = s.edges.filter((e) => !wanted || e.name.toLowerCase().includes(wanted) || e.verdict.includes(wanted))
    .sort((a, b) => EDGE_ORDER[moodOf(a.verdict)] - EDGE_ORDER[moodOf(b.verdict)] || (a.name < b.name ? -1 : 1));
  const some = allEdges ? edges : edges.slice(0, SHOWN_EDGES);
  const open = some.filter((e) => opened.has(`edge ${e.edge}`)).map((e) => e.edge);
  const within = [s.checks, s.ranges].map((rows) => (open.length ? rows.filter((r) => open.includes(r.edge)) : []));
  const worst = s.edges.filter((e) => moodOf(e.verdict) === "bad").length;
  byId("edges-summary").textContent = `${plural(s.edges.length, "edge")}, ${worst} with a failed check; ${number(s.daemon.checks_up)} of ${plural(s.daemon.checks, "path")} up. Worst first; open one for its paths.`;
  part("edges-list", [some, within], () => some.map(edgeLine));
  byId("edges-more").hidden = edges.length <= some.length;
  byId("edges-more").textContent = `Show all ${number(edges.length)}`;
}

// --- calls ---

// What is shown is what the daemon finds for the form; of a finding with Call-IDs only, those calls.
let calls = [], callsNext = null, callsOf = null, callsSerial = "", callsAsked = 0, callsTurn = 0, callsTimer = 0;

function bitsOf(value) {
  if (!value) return [];
  const sum = BigInt(value);
  return state.ice_warning_bits.filter((b) => sum & BigInt(b.value));
}

// The form as parameters of /api/v1/failures, those without a value left out.
function callsQuery() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(byId("calls-form"))) {
    const seconds = name === "since" || name === "until" ? Date.parse(`${value}Z`) / 1000 : 0;
    if (value.trim() && !Number.isNaN(seconds)) query.set(name, seconds || value.trim());
  }
  return query;
}

function callRow(c) {
  const names = bitsOf(c.ice_warnings).map((b) => b.name).join(", ");
  const ice = c.ice_warnings ? [el("code", {}, c.ice_warnings), ` ${names}`] : ["not told"];
  return el("tr", {}, el("td", { class: "fixed" }, clock(c.time)), el("td", { class: "fixed" }, String(c.code)), el("td", {}, c.media), el("td", c.ice_warnings ? {} : { class: "empty" }, ...ice),
    el("td", {}, c.remote_relay || ""), el("td", {}, c.side), el("td", {}, c.from), el("td", {}, c.to), el("td", {}, c.call_id), el("td", {}, c.reason));
}

function showCalls() {
  const query = callsQuery();
  byId("calls-of").hidden = !callsOf;
  part("calls-of", callsOf && callsOf.text, () => (callsOf ? [`Only calls of the finding “${callsOf.text}” `, el("button", { type: "button", "data-key": "all calls", onclick: () => { byId("calls-form").reset(); lookForCalls(null); } }, "Show all calls")] : []));
  byId("calls-summary").textContent = callsProblem || (calls.length ? `${plural(calls.length, "failure")} shown, newest first${callsNext ? "; there are more" : ""}.` : String(query) || callsOf ? "No failed call fits." : "No failed call was read.");
  part("calls-rows", calls, () => calls.map(callRow));
  byId("calls-more").hidden = !callsNext;
  for (const [id, more] of [["calls-csv", ["format", "csv"]], ["calls-json", ["download", "1"]]])
    byId(id).href = `/api/v1/failures?${new URLSearchParams([more, ["limit", CALLS_MAX], ...query])}`;
  const codes = state.diagnostic_codes.filter((c) => c.calls && c.code_class !== "information").map((c) => String(c.number)), media = state.media_kinds.map((m) => m.name);
  part("call-code", codes, () => options(codes, "call-code"));
  part("call-media", media, () => options(media, "call-media"));
  part("call-ice", state.ice_warning_bits.map((b) => b.value), () => [el("option", { value: "" }, "all"), ...state.ice_warning_bits.map((b) => el("option", { value: b.value }, `${b.value} ${b.name}`))]);
  const peers = state.peers.map((p) => p.name).filter(Boolean);
  part("call-peers", peers, () => peers.map((p) => el("option", { value: p })));
}

function options(values, id) {
  const now = byId(id).value;
  return [el("option", { value: "" }, "all"), ...values.map((v) => el("option", { value: v, selected: v === now }, v))];
}

let callsProblem = "";

// The failures of one query from a cursor on, at least `least` if there are so many: the daemon spends little time on one answer.
async function fetchCalls(query, cursor, least) {
  const rows = [];
  let next = cursor;
  do {
    const page = new URLSearchParams([["limit", Math.min(CALLS_MAX, Math.max(least - rows.length, 1))], ...query]);
    if (next) page.set("cursor", next);
    const answer = await fetch(`/api/v1/failures?${page}`), found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    rows.push(...found.failures);
    next = found.next;
  } while (next && rows.length < least);
  return [rows, next];
}

// Of several questions only the newest is answered.
async function loadCalls(more) {
  const turn = ++callsTurn, serial = `${state.reports} ${state.calls}`;
  byId("calls-rows").setAttribute("aria-busy", "true");
  callsAsked = Date.now();
  let rows = [], next = null, problem = "";
  try {
    if (callsOf && callsOf.ids) for (const id of callsOf.ids) rows.push(...(await fetchCalls([["call_id", id]], null, CALLS_MAX))[0]);
    else [rows, next] = await fetchCalls(callsQuery(), more ? callsNext : null, more ? 4 * SHOWN_CALLS : Math.min(CALLS_MAX, Math.max(SHOWN_CALLS, calls.length)));
  } catch (error) {
    problem = `The failed calls cannot be shown: ${error.message}`;
  }
  if (turn !== callsTurn) return;
  callsProblem = problem;
  if (!problem) {
    calls = more ? [...calls, ...rows] : rows;
    callsNext = next;
    callsSerial = serial;
  }
  showCalls();
  byId("calls-rows").setAttribute("aria-busy", "false");
}

// What is looked for has changed; of: the finding whose calls are looked for.
function lookForCalls(of) {
  callsOf = of;
  calls = [];
  callsNext = null;
  byId("calls-rows").setAttribute("aria-busy", "true");
  showCalls();
  clearTimeout(callsTimer);
  callsTimer = setTimeout(loadCalls, of ? 0 : 250, false);
}

// What the calls of a finding have in common; those of other kinds are known by the Call-IDs of its evidence.
const CALLS_OF_KIND = {
  "partner-only": (f) => ({ peer: f.path }), "media-only": (f) => ({ media: f.path }), "application-inspection": () => ({ code: 23 }),
  "ports-exhausted": () => ({ ice: "0x200000" }), "credentials-rejected": () => ({ ice: "0x4000" }), "tls-inspection": () => ({ ice: "0x800000" }),
};

function fillForm(values) {
  byId("calls-form").reset();
  for (const [name, value] of Object.entries(values)) {
    const field = byId("calls-form").elements[name];
    if (field.tagName === "SELECT" && ![...field.options].some((o) => o.value === String(value))) field.append(el("option", { value }, String(value)));
    field.value = value;
  }
}

function showCallsOf(finding, ids) {
  const common = CALLS_OF_KIND[finding.kind], hour = 3600000;
  fillForm(common ? { ...common(finding), since: new Date(Date.parse(finding.since) - hour).toISOString().slice(0, 19) } : {});
  lookForCalls({ text: finding.text, ids: common ? null : ids });
  byId("calls").scrollIntoView();
  byId("calls-of").querySelector("button").focus({ preventScroll: true });
}

// The list is asked for again when the counters say that there is more, not oftener than every few seconds.
async function askCalls() {
  if (`${state.reports} ${state.calls}` === callsSerial || Date.now() - callsAsked < CALLS_MS) return;
  await loadCalls(false);
}

// --- peers ---

const shareOf = (n, all) => (all ? `${Math.round((n / all) * 100)} %` : "");

function peerRow(p, all, most) {
  const bar = el("td", { class: "share" }, el("meter", { min: 0, max: most, value: p.media_failures, "aria-label": `Share of ${p.name || "all others"}` }), ` ${shareOf(p.media_failures, all)}`);
  const see = p.name && el("button", { type: "button", "data-key": `calls ${p.name}`, onclick: () => showCallsWith(p.name) }, "Show calls");
  return el("tr", {}, el("th", { scope: "row" }, p.name || "all others", p.own && " (own edge: they reported)"), el("td", { class: "fixed" }, number(p.media_failures_1h)), el("td", { class: "fixed" }, number(p.media_failures)), bar,
    el("td", { class: "fixed" }, number(p.code_23)), el("td", { class: "fixed" }, number(p.code_23_tcp_nat)), el("td", { class: "fixed" }, clock(p.last_time)), el("td", {}, see));
}

// The far relay is the partner's edge, as far as those know who reported.
function showPeers(s) {
  const kind = byId("peers-kind").value, word = kind === "relay" ? "far relay" : "far domain";
  const rows = s.peers.filter((p) => p.kind === kind || p.kind === `other-${kind}s`).sort((a, b) => !a.name - !b.name || b.media_failures_1h - a.media_failures_1h || b.media_failures - a.media_failures || (a.name < b.name ? -1 : 1));
  const all = rows.reduce((sum, p) => sum + p.media_failures, 0), named = rows.filter((p) => p.name), hour = named.filter((p) => p.media_failures_1h && !p.own);
  byId("peers-summary").textContent = !rows.length ? `No call with a media failure names a ${word}.`
    : `${plural(all, "failed call")} with ${plural(named.length, word)}${rows.length > named.length ? " and others" : ""}; in the last hour ${hour.length === 1 ? `only ${hour[0].name}` : plural(hour.length, word)}.`;
  part("peers-list", [kind, rows], () => (rows.length ? [el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of peers" }, el("table", {},
    el("thead", {}, el("tr", {}, ...[word, "1 hour", "Failed calls", "Share", "Code 23", "Both together", "Last (UTC)", "Calls"].map((h) => el("th", { scope: "col" }, h.charAt(0).toUpperCase() + h.slice(1))))),
    el("tbody", {}, ...rows.map((p) => peerRow(p, all, rows.reduce((m, r) => Math.max(m, r.media_failures), 1))))))] : []));
}

function showCallsWith(name) {
  fillForm({ peer: name });
  lookForCalls(null);
  byId("calls").scrollIntoView();
  byId("call-peer").focus({ preventScroll: true });
}

// --- ports ---

function drawMap(canvas, range, runs, side) {
  const ports = range.last_port - range.first_port + 1, context = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const colour = (group) => style.getPropertyValue(`--m-${group}`).trim();
  const scale = Math.max(1, Math.floor(600 / side));
  canvas.width = side * scale;
  canvas.height = Math.ceil(ports / side) * scale;
  const paint = (port, group, alpha) => {
    const i = port - range.first_port;
    context.globalAlpha = alpha;
    context.fillStyle = colour(group);
    context.fillRect((i % side) * scale, Math.floor(i / side) * scale, scale > 3 ? scale - 1 : scale, scale > 3 ? scale - 1 : scale);
  };
  for (let p = range.first_port; p <= range.last_port; p++) paint(p, range.ports_ok ? "ok" : "none", range.ports_ok && range.tested < ports ? 0.45 : 1);
  for (const run of runs)
    for (let p = run.first_port; p <= run.last_port; p++) {
      context.clearRect(((p - range.first_port) % side) * scale, Math.floor((p - range.first_port) / side) * scale, scale, scale);
      paint(p, groupOf(run.verdict), run.ports <= run.last_port - run.first_port ? 0.55 : 1);
    }
}

const VERDICT_FIELDS = (r) => Object.keys(r).filter((k) => k.startsWith("ports_") && r[k] > 0);

function rangeBody(range, runs) {
  const ports = range.last_port - range.first_port + 1, side = Math.min(100, Math.ceil(Math.sqrt(ports)));
  const found = VERDICT_FIELDS(range).map((k) => [k.slice(6).replace(/_/g, "-"), range[k]]);
  const text = `${number(range.tested)} of ${plural(ports, "port")} tested: ${found.map(([v, n]) => `${number(n)} ${v}`).join(", ") || "no result yet"}`;
  const canvas = el("canvas", { role: "img", "aria-label": `Map of ports ${range.first_port} to ${range.last_port}. ${text}` });
  const under = el("p", { class: "muted" }, "Point at a cell for its port.");
  canvas.addEventListener("mousemove", (event) => {
    const box = canvas.getBoundingClientRect(), rows = Math.ceil(ports / side);
    const port = range.first_port + Math.floor(((event.clientY - box.top) / box.height) * rows) * side + Math.floor(((event.clientX - box.left) / box.width) * side);
    const run = runs.find((r) => port >= r.first_port && port <= r.last_port);
    under.textContent = port > range.last_port ? "" : `Port ${port}: ${run ? `in a run of ${run.ports} tested ports that are ${run.verdict}` : "no exception"}`;
  });
  drawMap(canvas, range, runs, side);
  const groups = [...new Set(found.map(([v]) => groupOf(v)))];
  return [el("div", { class: "map" }, el("div", {}, canvas, under), el("div", {}, el("p", { class: "muted" }, text + (range.sweep_time ? `; last sweep ${clock(range.sweep_time)} UTC.` : ".")),
    el("ul", { class: "legend" }, ...groups.map((g) => el("li", {}, el("span", { class: `swatch ${g}` }), LEGEND[g]))),
    range.tested < ports && el("p", { class: "muted" }, "Paler cells lie between tested ports with the same verdict."),
    runs.length > 0 && el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Ports that did not answer" }, el("table", {},
      el("thead", {}, el("tr", {}, ...["Ports", "Verdict", "Tested", "Address"].map((h) => el("th", { scope: "col" }, h)))),
      el("tbody", {}, ...runs.slice(0, 20).map((r) => el("tr", {}, el("td", { class: "fixed" }, `${r.first_port}-${r.last_port}`), el("td", { class: "fixed" }, r.verdict), el("td", {}, number(r.ports)), el("td", {}, r.address)))))),
    runs.length > 20 && el("p", { class: "muted" }, `and ${number(runs.length - 20)} more runs`)))];
}

function showPorts(s) {
  const select = byId("port-range"), key = (r) => `${r.edge}.${r.range}`;
  part("port-range", s.ranges.map((r) => [key(r), r.edge_name, r.name]), () => s.ranges.map((r) => el("option", { value: key(r), selected: key(r) === select.value }, `${r.edge_name}: ${r.name}`)));
  select.parentElement.hidden = s.ranges.length === 0;
  const range = s.ranges.find((r) => key(r) === select.value) || s.ranges[0];
  const runs = range ? s.port_exceptions.filter((e) => key(e) === key(range)) : [];
  part("ports-body", [range && { ...range, rtt_us: 0, sweep_us: 0 }, runs], () => (range ? rangeBody(range, runs)
    : [el("p", { class: "card quiet" }, "No port range is swept. A range block in the configuration tests the media ports.")]));
}

// --- decoder, sources ---

function showMeaning() {
  const text = byId("ice-value").value.trim(), out = byId("ice-meaning");
  if (!text) return out.replaceChildren();
  if (!/^0x[0-9a-f]{1,8}$/i.test(text)) return out.replaceChildren(el("p", {}, "Not a number of at most 32 bits such as 0x8000100."));
  const bits = bitsOf(text), known = bits.reduce((sum, b) => sum | BigInt(b.value), 0n), unknown = BigInt(text) & ~known;
  out.replaceChildren(el("ul", { class: "evidence" }, ...bits.map((b) => el("li", {}, pill(b.benign ? "off" : "warn", b.benign ? "often harmless alone" : "matters"), " ", el("code", {}, b.value), ` ${b.name}: ${b.text}`)),
    unknown > 0n && el("li", {}, `Bits without a known meaning: 0x${unknown.toString(16)}`), BigInt(text) === 0n && el("li", {}, "No warning.")));
}

// What cannot be known to have been read exactly once.
function doubts(x) {
  return [x.missed > 0 && `${number(x.missed)} files may have lost messages`, x.repeated > 0 && `${number(x.repeated)} files may have been read twice`].filter(Boolean).join("; ") || "none";
}

function showSources(s) {
  const mood = { failed: "bad", "caught-up": "good", waiting: "warn" };
  part("sources-list", s.sources.map((x) => ({ ...x, read_time: "" })), () => (s.sources.length ? [el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of sources" }, el("table", {},
    el("thead", {}, el("tr", {}, ...["Source", "State", "Location", "Reports", "Malformed", "In doubt", "Behind", "Last report (UTC)"].map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...s.sources.map((x) => el("tr", {}, el("th", { scope: "row" }, x.name), el("td", { class: "fixed" }, pill(mood[x.state] || "off", x.state)), el("td", {}, x.location, x.error && el("p", { class: "quiet" }, x.error)), el("td", {}, number(x.reports)),
      el("td", {}, number(x.malformed)), el("td", {}, doubts(x)), el("td", {}, `${number(x.lag_bytes)} bytes`), el("td", { class: "fixed" }, clock(x.report_time)))))))]
    : [el("p", { class: "card quiet" }, "No source of evidence is configured: failed calls are not counted.")]));
}

// --- life ---

let stream = null, poll = 0, heard = 0, health = [];

function show(s) {
  const findings = findingsOf(s);
  state = s;
  heard = Date.now();
  showNow(s, findings);
  showNotes(s);
  showCounts(s);
  showFindings(s, findings);
  showEdges(s);
  showPeers(s);
  showPorts(s);
  showSources(s);
  showMeaning();
  byId("version").textContent = `edgemediad ${s.daemon.version}, started ${clock(s.daemon.start_time)} UTC. Graphs by uPlot (MIT licence).`;
  showLive();
  askCalls().catch(() => {});
  document.dispatchEvent(new CustomEvent("status", { detail: s }));
}

function showLive() {
  const lost = Date.now() - heard > STALE_MS;
  byId("live").className = `live ${lost ? "lost" : "on"}`;
  const text = state ? `${lost ? "no news since" : stream ? "live" : "every 10 s"} ${state.daemon.snapshot_time.slice(11, 19)} UTC` : lost ? "the daemon does not answer" : "connecting";
  if (byId("live-text").textContent !== text) byId("live-text").textContent = text;
  if (lost && state) {
    byId("now").className = "now unknown";
    byId("now-word").textContent = "… Not up to date: the daemon does not answer";
  }
}

async function ask() {
  try {
    const answer = await fetch("/api/v1/status");
    if (answer.ok) show(await answer.json());
  } catch {
    showLive();
  }
}

async function askHealth() {
  try {
    health = (await (await fetch("/healthz")).json()).reasons || [];
    if (state) showNotes(state);
  } catch {
    /* showLive tells that the daemon does not answer */
  }
}

function listen() {
  stream = new EventSource("/api/v1/events");
  stream.addEventListener("status", (event) => show(JSON.parse(event.data)));
  stream.addEventListener("changed", ask);
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) return showLive();
    stream = null; /* refused: too many pages are open */
    if (!poll) poll = setInterval(ask, POLL_MS);
    ask();
  };
}

// A page that nobody sees asks for nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    if (stream) stream.close();
    clearInterval(poll);
    poll = 0;
    stream = null;
  } else if (!stream && !poll) {
    listen();
  }
});

byId("edge-filter").addEventListener("input", () => state && showEdges(state));
byId("edges-more").addEventListener("click", () => { allEdges = true; showEdges(state); });
byId("calls-form").addEventListener("input", () => state && lookForCalls(null));
byId("calls-form").addEventListener("submit", (event) => event.preventDefault());
byId("calls-more").addEventListener("click", () => loadCalls(true));
byId("peers-kind").addEventListener("change", () => state && showPeers(state));
byId("port-range").addEventListener("change", () => state && showPorts(state));
byId("ice-value").addEventListener("input", () => state && showMeaning());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { shown.delete("ports-body"); if (state) showPorts(state); });
setInterval(() => { if (heard) showLive(); }, 5000);
setInterval(askHealth, 30000);
ask();
listen();
askHealth();
