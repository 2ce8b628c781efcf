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
:root { color-scheme: light dark; font: 14px/1.5 ui-monospace, monospace; }
body { margin: 1.5rem; }
h1 { font-size: 1.2rem; margin: 0 0 .2rem; }
table { border-collapse: collapse; margin-top: 1rem; width: 100%; }
th, td { text-align: left; padding: .1rem .8rem .1rem 0; white-space: nowrap; }
th { border-bottom: 1px solid; }
td:last-child { white-space: normal; opacity: .8; }
.running { color: #188038; } .starting, .restarting, .stopping, .paused { color: #b06000; }
.failed, .quarantined, .awaiting_repair, .degraded { color: #c5221f; } .stopped { opacity: .6; }
.stale { opacity: .4; }
#age { color: #c5221f; }
</style>
</head>
<body>
<h1>Grace: <span id="state">...</span></h1>
<div id="kernels"></div><div id="age" role="status"></div>
<table>
<thead><tr><th>name</th><th>state</th><th>pid</th><th>up</th><th>restarts</th><th>memory</th><th>last exit</th>
<th>does</th></tr></thead>
<tbody id="tree"></tbody>
</table>
<noscript>This page needs JavaScript; the same as text: <a href="/status">/status</a></noscript>
<script>
"use strict";
const at = id => document.getElementById(id);
let answeredAt = null;
const shown = value => value === null || value === undefined ? "-" : String(value);
function span(seconds) {
  if (seconds === null) return "-";
  if (seconds < 90) return Math.round(seconds) + " s";
  return seconds < 5400 ? Math.round(seconds / 60) + " min" : (seconds / 3600).toFixed(1) + " h";
}
function row(node, depth) {
  const line = document.createElement("tr");
  const exit = node.last_exit;
  const does = node.degraded.length ? "degraded: " + node.degraded.join("; ") : node.does;
  const memory = node.memory_mb === null ? "-" : node.memory_mb + " MB";
  const ended = exit ? exit.reason + " " + shown(exit.at) : "-";
  const cells = ["\\u00a0".repeat(3 * depth) + node.name, node.state, shown(node.pid), span(node.uptime_s),
    node.restarts, memory, ended, shown(does)];
  cells.forEach((text, column) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (column === 1) cell.className = node.state;
    line.append(cell);
  });
  if (exit && exit.detail) line.title = exit.detail;
  return [line, ...node.children.flatMap(child => row(child, depth + 1))];
}
function show(status) {
  const counts = status.kernels;
  at("state").textContent = status.state;
  at("state").className = status.state;
  at("kernels").textContent = `${counts.running} of ${counts.total} kernels running, ${counts.degraded} degraded, `
    + `${counts.failed} failed`;
  at("tree").replaceChildren(...(status.tree ? row(status.tree, 0) : []));
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
    const age = answeredAt === null ? "" : ` This is ${Math.round((Date.now() - answeredAt) / 1000)} s old.`;
    at("age").textContent = `No answer: ${error.message}.${age}`;
    at("tree").className = "stale";
  }
  setTimeout(refresh, 2000);
}
refresh();
</script>
</body>
</html>
""".encode("ascii")
