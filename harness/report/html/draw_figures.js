// Draws each Plotly figure in the colours of the page, again when the reader changes between light and dark.
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
