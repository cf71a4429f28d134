"""Style: how the report's page looks, and what draws its figures."""

CSS = """
:root { --page: #f4f5f7; --card: #ffffff; --text: #1d2430; --dim: #667085; --line: #e3e6eb;
  --code: #f4f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --page: #12151b; --card: #1b2028; --text: #e4e8ef; --dim: #98a2b3; --line: #2d3440;
    --code: #12151b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
header, main { max-width: 1480px; margin: 0 auto; padding: 0 clamp(12px, 2.5vw, 32px); }
header { padding-top: 28px; padding-bottom: 16px; }
header p { margin: 0; color: var(--dim); font-size: 12px; letter-spacing: .08em; text-transform: uppercase; }
h1 { margin: 0; font-size: clamp(22px, 4vw, 30px); line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 4px; font-size: 17px; }
main { display: flex; flex-wrap: wrap; gap: 16px; padding-bottom: 40px; }
section { flex: 1 1 min(100%, 520px); min-width: 0;
  padding: 18px clamp(12px, 2vw, 22px); background: var(--card);
  border: 1px solid var(--line);
  border-radius: 10px; }
section.wide { flex-basis: 100%; }
section > p { margin: 0 0 10px; color: var(--dim); max-width: 75ch; }
section > p.lead { margin: 10px 0 4px; }
.tiles { display: grid; gap: 10px; margin: 8px 0 14px;
  grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); }
.tiles div { padding: 10px 12px; border: 1px solid var(--line); border-radius: 8px; }
.tiles b { display: block; font-size: 20px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--dim); font-size: 13px; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: minmax(80px, max-content) 1fr; gap: 4px 18px; margin: 0; }
.facts dt { color: var(--dim); }
.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.small { display: grid; gap: 8px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }
.small > * { min-width: 0; }
.figure { width: 100%; }
pre { margin: 0 0 14px; padding: 12px 14px; overflow-x: auto; background: var(--code);
  border: 1px solid var(--line);
  border-radius: 8px; font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 12px 6px 0; text-align: left; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 500; font-size: 13px; }
tbody tr:last-child td { border-bottom: 0; }
table.told td:nth-child(n+3) { white-space: normal; overflow-wrap: anywhere;
  min-width: 180px; vertical-align: top; }
@media print { body { background: none; } section { break-inside: avoid; } }
"""

# Each figure takes the page's colours, also when the reader changes between light and dark.
SCRIPT = """
(function () {
  var figures = JSON.parse(document.getElementById("figures").textContent);
  var places = Array.from(document.querySelectorAll(".figure"));
  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function dressed(layout) {
    var text = colour("--text"), line = colour("--line"), font = getComputedStyle(document.body).fontFamily;
    var own = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, family: font, size: 13 }, autosize: true,
      hoverlabel: { bgcolor: colour("--card"), bordercolor: line, font: { color: text, family: font },
        align: "left" } };
    var whole = Object.assign({}, layout, own);
    Object.keys(whole).filter(function (key) { return /^[xy]axis/.test(key); }).forEach(function (key) {
      whole[key] = Object.assign({ gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true },
        layout[key]);
      whole[key].title = Object.assign({ font: { size: 13 } }, layout[key].title);
    });
    return whole;
  }
  var config = { responsive: true, displaylogo: false, displayModeBar: false };
  function draw() {
    places.forEach(function (place, at) {
      Plotly.react(place, figures[at].data, dressed(figures[at].layout), config);
    });
  }
  draw();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
"""
