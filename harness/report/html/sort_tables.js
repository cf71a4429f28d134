// A click on a column's title sorts the table, a second click reverses it; cells without a value stay last.
document.querySelectorAll("table.sort th button").forEach(function (button) {
  var title = button.parentNode;
  button.addEventListener("click", function () {
    var place = title.cellIndex, body = title.closest("table").tBodies[0];
    var down = title.getAttribute("aria-sort") === "ascending";
    function key(row) {
      var cell = row.cells[place], text = cell.dataset.sort;
      if (text === undefined) text = cell.textContent.replace(/,(?=\d{3})/g, "");
      return text !== "" && isFinite(text) ? Number(text) : text;
    }
    Array.from(body.rows).sort(function (a, b) {
      var x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      var order = typeof x !== typeof y ? (typeof x === "number" ? -1 : 1)
        : typeof x === "number" ? x - y : x.localeCompare(y);
      return down ? -order : order;
    }).forEach(function (row) { body.appendChild(row); });
    title.parentNode.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    title.setAttribute("aria-sort", down ? "descending" : "ascending");
  });
});
