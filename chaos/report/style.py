"""How the page looks: one style sheet, for light and for dark, on a screen and on paper.

Invariant: it names no other file, so the page needs nothing but itself.
"""

SHEET = """
:root { color-scheme: light dark; --ink: #1c2024; --dim: #5f6a75; --paper: #fff; --band: #f5f7f9; --rule: #dde2e8;
  --good: #1a7f37; --bad: #c62a2f; --warn: #9a6700; --calm: #0b68cb; --down: #f3b8b8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --dim: #9aa5b1; --paper: #14171a; --band: #1c2126;
  --rule: #313941; --good: #4cc26c; --bad: #ff7b7f; --warn: #e0b040; --calm: #6cb0ff; --down: #6e3338; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0; } a { color: var(--calm); }
.dim, .legend, figcaption, summary { color: var(--dim); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); } .calm { color: var(--calm); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; margin: 1.5rem 0; }
.tile { border: 1px solid var(--rule); border-radius: 8px; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.5rem; font-weight: 600; line-height: 1.3; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule);
  overflow-wrap: break-word; }
td:last-child { overflow-wrap: anywhere; min-width: 9rem; } th { font-weight: 500; color: var(--dim); }
.state, .number { white-space: nowrap; }
article { border: 1px solid var(--rule); border-radius: 8px; padding: 1rem 1.1rem;
  margin: 1rem 0; break-inside: avoid; }
article header { display: flex; flex-wrap: wrap; gap: .2rem 1rem; align-items: baseline; }
figure { margin: .8rem 0 .4rem; overflow-x: auto; }
.timeline { width: 100%; min-width: 44rem; height: auto; display: block; } .scrolls { display: none; }
@media (max-width: 47rem) { .scrolls { display: block; }
  body { padding: 1rem .8rem 3rem; } article { padding: .8rem; } }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .4rem 0; }
.key { width: 16px; height: 16px; vertical-align: -3px; }
.band { fill: transparent; } .band.odd { fill: var(--band); } .lane { fill: var(--ink); font-size: 14px; }
.tick { fill: var(--dim); font-size: 12px; text-anchor: middle; } .grid { stroke: var(--rule); stroke-width: 1; }
.down { fill: var(--down); } .injected { fill: var(--bad); } .detected { fill: var(--warn); }
.recovered { fill: var(--good); } .undone { fill: var(--calm); } .other { fill: var(--dim); }
.bar { display: inline-block; width: 8rem; height: .55rem; border-radius: 4px; background: var(--rule);
  overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--good); }
details { margin: .3rem 0; } summary { cursor: pointer; } code { font-size: .92em; }
@media print { body { max-width: none; padding: 0; } details:not([open]) > * { display: none; } }
"""
