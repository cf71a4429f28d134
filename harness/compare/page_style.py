"""Style: how the page looks in light and dark, and what sorts its tables."""

CSS = """
:root { --page: #f6f6f3; --card: #ffffff; --text: #20242b; --dim: #626a76; --line: #e0e2de;
  --mark: #1f6f8b; --soft: #9cc3d0; --old: #a33a2b; --new: #23713f; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171a; --card: #1d2125; --text: #e6e8ea; --dim: #9aa3ad; --line: #31373d;
    --mark: #6cc0da; --soft: #35606e; --old: #ef9384; --new: #7fd39b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 1500px; margin: 0 auto; padding: 0 clamp(12px, 2.5vw, 32px); }
header { padding-top: 26px; padding-bottom: 14px; }
header p { margin: 0; color: var(--dim); }
h1 { margin: 0; font-size: clamp(22px, 4vw, 30px); line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 8px; font-size: 17px; overflow-wrap: anywhere; }
h3 { margin: 16px 0 4px; font-size: 14px; color: var(--dim); font-weight: 600; }
section { margin-bottom: 16px; padding: 18px clamp(12px, 2vw, 22px); background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; }
section p { margin: 8px 0 0; color: var(--dim); max-width: 90ch; }
a { color: var(--mark); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 18px 5px 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th.text, td.text, .changes th, .changes td { text-align: left; }
.changes td { white-space: normal; overflow-wrap: anywhere; }
.changes th { font-weight: 400; }
thead th { color: var(--dim); font-size: 13px; }
tbody tr:last-child > * { border-bottom: 0; }
th button { all: unset; cursor: pointer; font-weight: 500; }
th button:focus-visible { outline: 2px solid var(--mark); }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
svg { display: block; }
circle { fill: var(--mark); }
path { fill: none; stroke-linecap: round; }
path.folds { stroke: var(--soft); stroke-width: 8; }
path.seeds { stroke: var(--mark); stroke-width: 2; }
del { color: var(--old); text-decoration: none; }
ins { color: var(--new); text-decoration: none; }
@media print { body { background: none; } section { break-inside: avoid; } }
"""

# A click sorts by a column, a second one the other way; what has no value stays last either way.
SCRIPT = """
document.querySelectorAll("thead th").forEach(function (title) {
  title.addEventListener("click", function () {
    var titles = Array.from(title.parentNode.children), place = titles.indexOf(title);
    var down = title.getAttribute("aria-sort") === "ascending";
    titles.forEach(function (other) { other.setAttribute("aria-sort", "none"); });
    title.setAttribute("aria-sort", down ? "descending" : "ascending");
    var body = title.closest("table").tBodies[0];
    function key(row) { return row.cells[place].dataset.order; }
    var rows = Array.from(body.rows), told = rows.filter(key);
    var numbers = told.every(function (row) { return !isNaN(Number(key(row))); });
    rows.sort(function (a, b) {
      var first = key(a), second = key(b);
      if (!first || !second) return (first ? 0 : 1) - (second ? 0 : 1);
      var order = numbers ? Number(first) - Number(second) : first.localeCompare(second);
      return down ? -order : order;
    }).forEach(function (row) { body.appendChild(row); });
  });
});
"""
