"""Style: how the page looks, light or dark, on a telephone, a screen or paper."""

# The colours of Okabe and Ito, which every kind of eye tells apart; lighter ones on a dark page.
CSS = """
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--text:#1d2430;--dim:#5b6575;--line:#e1e5ea;
--soft:#f4f5f7;--on:#fff;--good:#00795a;--bad:#b3261e;--odd:#8a5a00;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b8558c;--c4:#b87f00;--c5:#2f94cf;--c6:#6b7280;--c7:#8c510a;
--c8:#6a3d9a;--c9:#6b8e23}
@media (prefers-color-scheme:dark){:root{--page:#12151b;--card:#1b2028;--text:#e4e8ef;--dim:#9aa5b5;
--line:#2d3440;--soft:#12151b;--on:#0b1017;--good:#3ddba8;--bad:#ff8a80;--odd:#f5c04a;
--c0:#5bb8f0;--c1:#ff9350;--c2:#2fd6a3;--c3:#e79cc4;--c4:#f5c04a;--c5:#9ad4ff;--c6:#98a2b3;--c7:#d7a469;
--c8:#b99ce6;--c9:#b5d35c}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
header,main{max-width:1280px;margin:0 auto;padding:0 clamp(12px,2.5vw,32px)}
header{padding-top:28px;padding-bottom:18px}
header>p{margin:2px 0 10px;max-width:80ch;overflow-wrap:anywhere}
header>p.kind{margin:0;color:var(--dim);font-size:13px}
.mark{display:inline-block;margin-left:8px;padding:0 9px;border-radius:9px;border:1px solid;font-weight:600}
.mark.good{color:var(--good)}.mark.bad{color:var(--bad)}.mark.odd{color:var(--odd)}
h1{margin:2px 0 0;font-size:clamp(22px,4vw,32px);line-height:1.2;overflow-wrap:anywhere}
h2{margin:0 0 4px;font-size:19px}h3{margin:22px 0 6px;font-size:15px}
main{display:grid;gap:16px;padding-bottom:40px}
section{min-width:0;padding:20px clamp(12px,2vw,26px);background:var(--card);border:1px solid var(--line);
border-radius:12px}
section>p{margin:0 0 10px;color:var(--dim);max-width:85ch}
.dim{color:var(--dim)}
.error{padding:10px 14px;border:1px solid var(--bad);border-left-width:5px;border-radius:8px;
overflow-wrap:anywhere;background:var(--card)}
.tiles{display:grid;gap:10px;margin:14px 0;grid-template-columns:repeat(auto-fit,minmax(min(100%,180px),1fr))}
.tile{padding:12px 16px;border:1px solid var(--line);border-radius:12px;background:var(--card);min-width:0}
.tile b{display:block;font-size:22px;line-height:1.3;font-variant-numeric:tabular-nums}
.tile.main{border:2px solid var(--c0)}.tile.main b{font-size:38px;line-height:1.15;color:var(--c0)}
.tile span,.tile small{display:block;overflow-wrap:anywhere}.tile small{color:var(--dim);font-size:13px}
.facts{display:grid;grid-template-columns:minmax(70px,max-content) minmax(0,1fr);gap:4px 18px;margin:0 0 8px}
.facts dt{color:var(--dim);overflow-wrap:anywhere}.facts dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;min-width:min(100%,520px)}
th,td{padding:5px 18px 5px 0;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--dim);font-weight:500;font-size:13px;cursor:pointer}
th:hover{color:var(--text)}
th[aria-sort=ascending]::after{content:" ▲"}
th[aria-sort=descending]::after{content:" ▼"}
.n{text-align:right}tbody tr:hover{background:var(--soft)}
.figures{display:grid;gap:18px 26px;margin:8px 0 12px;align-items:start;
grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr))}
figure{margin:0;min-width:0}figcaption{color:var(--dim);font-size:13px;margin-top:4px}
svg{display:block;width:100%;height:auto;font-size:12px;overflow:visible}
svg text{fill:var(--dim)}svg .name{font-size:12.5px;fill:var(--text)}
.mid{text-anchor:middle}.end{text-anchor:end}
.tiny{font-size:9.5px}
.grid{stroke:var(--line);stroke-width:1;fill:none}.axis{stroke:var(--dim);fill:none}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.thin{stroke-width:1.1;opacity:.75}
.dashed{stroke-dasharray:5 4}
.soft{opacity:.65}.ring{fill:var(--card);stroke:var(--text);stroke-width:1.8}
svg text.glyph{font-weight:600;font-size:11px}
.cell{fill:var(--soft);stroke:var(--card);stroke-width:1.5}.cell.full{fill:var(--c1)}
.cell.full.good{fill:var(--c0)}
svg g text{fill:var(--text)}svg g text.on{fill:var(--on)}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;margin:4px 0 0;color:var(--dim);font-size:13px}
.legend span{display:inline-flex;align-items:center;gap:6px}
svg.key{width:22px;flex:none}svg.sign{width:12px;flex:none}
.cards{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(min(100%,150px),1fr))}
.card{padding:10px;border:1px solid var(--line);border-radius:10px}
.card img{display:block;width:100%;max-width:160px;margin:0 auto;image-rendering:pixelated;border-radius:6px;
aspect-ratio:1;object-fit:contain;background:#000}
.card figcaption{color:var(--text);margin-top:8px;overflow-wrap:anywhere}
.gone{aspect-ratio:1;display:grid;place-items:center;color:var(--dim);background:var(--soft)}
.checks{padding-left:18px;margin:6px 0}.checks li{margin:4px 0;overflow-wrap:anywhere}
.checks .warning b{color:var(--odd)}.checks .error b{color:var(--bad)}
.checks li.error{border:0;padding:0}
pre{margin:6px 0 10px;padding:11px 14px;overflow-x:auto;background:var(--soft);border:1px solid var(--line);
border-radius:8px;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;
overflow-wrap:anywhere}
header pre{background:var(--card);margin:0}header p.dim{margin:0 0 2px;font-size:13px}
details{margin:10px 0}summary{cursor:pointer;color:var(--dim)}
@media (prefers-reduced-motion:no-preference){circle,rect.full{transition:opacity .15s}}
circle:hover,rect.f0:hover{opacity:.55}
@media print{body{background:none}section,.tile{break-inside:avoid;border-color:#ccc}
details:not([open]){display:none}.scroll{overflow:visible}}
""" + "".join(f".s{n}{{stroke:var(--c{n})}}.f{n},svg text.f{n}{{fill:var(--c{n})}}" for n in range(10))

# A click on a title of a table orders its rows, a second one turns the order round.
SCRIPT = """
document.querySelectorAll("table.sort th").forEach(function (th) {
  th.addEventListener("click", function () {
    var place = th.cellIndex, body = th.closest("table").tBodies[0];
    var down = th.getAttribute("aria-sort") === "ascending";
    function value(row) {
      var cell = row.cells[place], text = cell.dataset.v || cell.textContent.replace(/,/g, "");
      return text !== "" && isFinite(text) ? Number(text) : text;
    }
    Array.from(body.rows).sort(function (a, b) {
      var x = value(a), y = value(b), both = typeof x === typeof y;
      var order = both ? (x > y) - (x < y) : (typeof x === "number" ? -1 : 1);
      return down ? -order : order;
    }).forEach(function (row) { body.appendChild(row); });
    th.parentNode.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
  });
});
"""
