"""The page at `/`: the tree, refreshed by itself, in one file without anything from elsewhere.

Only text; served as it is. Invariant: names and texts from the tree are set as text, never as markup, and
what is no longer fresh is marked with its age.
"""

from __future__ import annotations

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
"""Content-Security-Policy of the page."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Grace</title>
<style>
:root { color-scheme: light dark; font: 14px/1.5 ui-monospace, monospace; --ink: #1c2024; --dim: #5f6a75; --paper: #fff;
  --rule: #dde2e8; --good: #1a7f37; --warn: #9a6700; --bad: #c62a2f; --link: #0b68cb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --dim: #9aa5b1; --paper: #14171a; --rule: #313941;
  --good: #4cc26c; --warn: #e0b040; --bad: #ff7b7f; --link: #6cb0ff; } }
body { margin: 1.5rem; background: var(--paper); color: var(--ink); overflow-wrap: anywhere; }
h1 { font-size: 1.2rem; margin: 0 0 .2rem; } a { color: var(--link); } nav, .dim { color: var(--dim); }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0; white-space: nowrap; }
th { border-bottom: 1px solid var(--rule); color: var(--dim); font-weight: normal; }
.number { text-align: right; } td:last-child { white-space: normal; color: var(--dim); }
td:nth-child(7) { max-width: 20rem; overflow: hidden; text-overflow: ellipsis; }
.running { color: var(--good); } .stopped { color: var(--dim); }
.starting, .restarting, .stopping, .booting, .delayed, .waiting, .paused, .degraded { color: var(--warn); }
.failed, .quarantined, .awaiting_repair, #age { color: var(--bad); }
.stale { opacity: .5; }
@media (max-width: 60rem) {
  body { margin: 1rem; } thead { display: none; }
  tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: .3rem 0; border-bottom: 1px solid var(--rule); }
  td { padding: 0; } td:first-child { flex: 1 0 62%; }
  td:nth-child(n+7) { flex-basis: 100%; max-width: 100%; white-space: normal; }
  td.none { display: none; }
  td:nth-child(n+3):not(:last-child)::before { content: attr(data-name) " "; color: var(--dim); }
}
</style>
</head>
<body>
<h1>Grace: <span id="state">...</span></h1>
<div id="kernels"></div><div id="age" role="status"></div>
<table id="table" hidden>
<thead><tr><th scope="col">name</th><th scope="col">state</th><th scope="col" class="number">pid</th>
<th scope="col" class="number">up</th><th scope="col" class="number">restarts</th>
<th scope="col" class="number">memory</th><th scope="col">last exit</th><th scope="col">does</th></tr></thead>
<tbody id="tree"></tbody>
</table>
<p id="empty" class="dim" hidden>There is no tree yet: it is starting, or it has ended.</p>
<nav>as data: <a href="/status">/status</a> <a href="/api/v1/events">/api/v1/events</a> <a href="/metrics">/metrics</a>
<a href="/ready">/ready</a></nav>
<noscript>This page needs JavaScript; the same as text: <a href="/status">/status</a></noscript>
<script>
"use strict";
const at = id => document.getElementById(id);
let answeredAt = null;
const NAMES = ["name", "state", "pid", "up", "restarts", "memory", "last exit", "does"];
const shown = value => value === null || value === undefined ? "-" : String(value);
function span(seconds) {
  if (seconds === null) return "-";
  if (seconds < 90) return Math.round(seconds) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  return seconds < 172800 ? (seconds / 3600).toFixed(1) + " h" : (seconds / 86400).toFixed(1) + " d";
}
function ended(exit) {
  if (!exit) return "-";
  const ago = (Date.now() - Date.parse(exit.at)) / 1000;
  return Number.isFinite(ago) ? `${span(Math.max(ago, 0))} ago: ${exit.reason}` : exit.reason;
}
function row(node, depth) {
  const line = document.createElement("tr");
  const state = node.state === "running" && node.degraded.length ? "degraded" : node.state;
  const does = node.degraded.length ? "degraded: " + node.degraded.join("; ") : node.does;
  const memory = node.memory_mb === null ? "-" : node.memory_mb.toFixed(1) + " MB";
  const cells = ["\\u00a0".repeat(3 * depth) + node.name, state, shown(node.pid), span(node.uptime_s),
    String(node.restarts), memory, ended(node.last_exit), shown(does)];
  cells.forEach((text, column) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    cell.dataset.name = NAMES[column];
    if (column === 1) cell.className = state;
    if (column > 1 && column < 6) cell.className = "number";
    if (text === "-") cell.classList.add("none");
    line.append(cell);
  });
  const exit = node.last_exit;
  if (exit) line.title = `last exit at ${exit.at}: ${exit.reason}` + (exit.detail ? "\\n" + exit.detail : "");
  return [line, ...node.children.flatMap(child => row(child, depth + 1))];
}
function show(status) {
  const counts = status.kernels;
  at("state").textContent = status.state;
  at("state").className = status.state;
  document.title = "Grace: " + status.state;
  at("kernels").textContent = `${counts.running} of ${counts.total} kernels running, ${counts.degraded} degraded, `
    + `${counts.failed} failed`;
  at("tree").replaceChildren(...(status.tree ? row(status.tree, 0) : []));
  at("table").hidden = !status.tree;
  at("empty").hidden = !at("table").hidden;
}
async function refresh() {
  try {
    const response = await fetch("/status", { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error((await response.json()).detail);
    show(await response.json());
    answeredAt = Date.now();
    at("age").textContent = "";
    at("tree").className = "";
  } catch (error) {
    const age = answeredAt === null ? "" : ` What is shown is ${span((Date.now() - answeredAt) / 1000)} old.`;
    if (answeredAt === null) at("state").textContent = "unknown";
    document.title = "Grace: no answer";
    at("age").textContent = `No answer (${error.message}); asking again every 2 s.${age}`;
    at("tree").className = "stale";
  }
  setTimeout(refresh, 2000);
}
refresh();
</script>
</body>
</html>
""".encode("ascii")
