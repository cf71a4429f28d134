"""Pages of the site, a run's report and a sweep's report, checked by axe in a browser, light and dark."""

from __future__ import annotations

import html
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=20000"
)
_RUN = """
<script>AXE</script>
<script>
  addEventListener("load", () => setTimeout(() => axe.run({resultTypes: ["violations"]}).then((found) => {
    const kept = found.violations.map((each) => [each.impact, each.id, each.nodes.map((node) => node.html)]);
    document.body.innerHTML = "";
    const place = document.createElement("pre");
    place.id = "found";
    place.textContent = JSON.stringify(kept);
    document.body.append(place);
  }), 500));
</script>
"""

_WIDE = """
<script>
  addEventListener("load", () => setTimeout(() => {
    const tables = [...document.querySelectorAll(".md-typeset__scrollwrap")].filter(
      (each) => each.querySelector("tr").children.length == 2);
    const wide = tables.filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.innerText);
    const place = document.createElement("pre");
    place.id = "found";
    place.textContent = JSON.stringify([tables.length, wide]);
    document.body.append(place);
  }, 500));
</script>
"""
"""How many tables have two columns, and the texts of those that are wider than their place."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install chromium"),
    pytest.mark.skipif(
        importlib.util.find_spec("axe_core_python") is None, reason="needs axe: pip install axe-core-python"
    ),
]


def serious(page: Path, profile: Path, *options: str) -> list[Any]:
    """The findings of axe that are serious or critical, of a copy of the page that runs it."""
    spec = importlib.util.find_spec("axe_core_python")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    axe = (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    within = axe.replace("</script", "<\\/script")  # the page may load nothing
    run = _RUN.replace("AXE", within)
    violations = found_in(page, run, profile, *options)
    return [each for each in violations if each[0] in ("serious", "critical")]


def found_in(page: Path, script: str, profile: Path, *options: str) -> list[Any]:
    """What a script writes as JSON into `#found` of a copy of the page."""
    copy = page.with_name(f"copy-{page.name}")
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"), encoding="utf-8")
    command = [
        str(BROWSER),
        *QUIET.split(),
        f"--user-data-dir={profile}",
        *options,
        "--dump-dom",
        copy.as_uri(),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    finally:
        copy.unlink()
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-2000:]
    content: list[Any] = json.loads(html.unescape(found[1]))
    return content


DARK = "--blink-settings=preferredColorScheme=0"
LOOKS = {"light": (), "dark": (DARK,), "narrow": ("--window-size=400,900",)}


@pytest.mark.parametrize("name", ["index", "tutorials/groups", "reference/trainer/index", "ideas/folds"])
def test_a_page_of_the_site_has_no_serious_finding(site: Path, tmp_path: Path, name: str) -> None:
    for look, options in LOOKS.items():
        assert serious(site / f"{name}.html", tmp_path / look, *options) == [], look


@pytest.mark.parametrize("name", ["coming_from/lightning", "coming_from/wandb_sweeps"])
def test_a_table_with_two_columns_fits_a_narrow_screen(site: Path, tmp_path: Path, name: str) -> None:
    assert found_in(site / f"{name}.html", _WIDE, tmp_path, "--window-size=500,900") == [1, []]


def test_the_report_of_a_run_has_no_serious_finding(finished: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copy(finished("data/extract=iris") / "report.html", tmp_path)
    for look, options in LOOKS.items():
        assert serious(tmp_path / "report.html", tmp_path / look, *options) == [], look


def test_the_report_of_a_sweep_has_no_serious_finding(run_cli: Any, here: Path) -> None:
    words = [
        "data/extract=iris",
        "trainer.epochs=2",
        "trainer.device=cpu",
        "tracking=none",
        "model.dropout=0,0.2",
    ]
    answer = run_cli("-m", "sweep.name=seen", *words)
    assert answer.status == 0, answer.err
    for look, options in LOOKS.items():
        assert serious(here / "outputs/sweeps/seen-0/report.html", here / look, *options) == [], look
