from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from plotly.graph_objects import Figure

from harness.report.html.page_parts import Interactive, Section
from harness.sweep.report.axis_scale import scales
from harness.sweep.report.importance import importance
from harness.sweep.report.write_sweep_page import SweepMaterial, sections, write_report
from harness.sweep.study.snapshot import Objective, Row, Snapshot

BEGUN = datetime(2026, 1, 2)
ACCURACY = Objective("valid/accuracy", "maximize")
SIZE = Objective("model/parameters", "minimize")
LOSS = Objective("valid/loss", "minimize")
SPACE = {
    "model": CategoricalDistribution(("mlp", "convnet")),
    "trainer.optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
    "model.width": IntDistribution(16, 256),
}
NASTY = "Broken: </script><script>alert('here')</script> & <b>more</b>"

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=20000 --dump-dom"
)


def row(number: int, objectives: int = 1, state: str = "complete", **more: Any) -> Row:
    """An MLP has a width, the others have not; what is good follows from lr alone."""
    point: dict[str, Any] = {
        "model": ("mlp", "convnet")[number % 2],
        "trainer.optimizer.lr": 10 ** -(1 + number % 3),
    }
    if point["model"] == "mlp":
        point["model.width"] = 16 + number % 200
    values = (1 / (2 + number % 3), 1000.0 + number, 0.5 - number / 1e4)[:objectives]
    facts = {
        "values": values if state == "complete" else None,
        "reports": tuple((step, values[0] * step / 4) for step in range(1, 5)) if objectives == 1 else (),
        "error": NASTY if state == "failed" else None,
        "worker": f"here-{number % 2}",
        "begun": BEGUN + timedelta(seconds=number),
        "ended": BEGUN + timedelta(seconds=number + 1.5),
    }
    return Row(number, state, **{"point": point, **facts, **more})  # type: ignore[arg-type]


def study(count: int, objectives: int = 1, **states: int) -> Snapshot:
    """`count` complete trials, then so many of other states."""
    rows = [row(number, objectives) for number in range(count)]
    for state, more in states.items():
        rows += [row(number, objectives, state) for number in range(len(rows), len(rows) + more)]
    return Snapshot((ACCURACY, SIZE, LOSS)[:objectives], tuple(rows), len(rows))


def material(snapshot: Snapshot, **about: str) -> SweepMaterial:
    return SweepMaterial(snapshot, about, SPACE, lambda row: f"python -m harness model={row.point['model']}")


def written(folder: Path, snapshot: Snapshot, **about: str) -> tuple[str, list[dict[str, Any]]]:
    """The page without Plotly's script, and its figures."""
    page = write_report(folder, "lr-1", material(snapshot, **about)).read_text()
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    figures = json.loads(found[1]) if found else []
    for figure in figures:
        Figure(figure)  # Plotly's own check of every name and value
    return max(re.split(r"<script.*?</script>", page, flags=re.DOTALL), key=len), figures


def figures_of(snapshot: Snapshot) -> dict[str, Any]:
    return {section.title: drawn_in(section) for section in sections(material(snapshot))}


def drawn_in(section: Section) -> list[Any]:
    return [figure for block in section.blocks if isinstance(block, Interactive) for figure in block.figures]


def sentences(snapshot: Snapshot) -> dict[str, str]:
    return {section.title: section.text for section in sections(material(snapshot))}


def test_the_page_is_one_file_that_needs_no_network(tmp_path: Path) -> None:
    write_report(tmp_path, "lr-1", material(study(12)))
    page = (tmp_path / "report.html").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page) == []
    assert page.count("plotly.js v") == 1
    assert len(page) < 6e6


def test_the_page_holds_the_data_of_every_figure(tmp_path: Path) -> None:
    page, figures = written(tmp_path, study(12, pruned=3, failed=2))
    assert page.count('<div class="figure">') == len(figures) == 4 + 3 + 1
    kinds = [figure["data"][0]["type"] for figure in figures]
    assert kinds == ["scatter", "bar", "parcoords", "scatter", "scatter", "scatter", "scatter", "bar"]


def test_the_history_has_each_complete_trial_and_the_best_so_far() -> None:
    dots, line, ticks = figures_of(study(5, pruned=3))["Optimisation history"][0]["data"]
    assert (dots["x"], dots["y"]) == ([0, 1, 2, 3, 4], [1 / 2, 1 / 3, 1 / 4, 1 / 2, 1 / 3])
    assert line["y"] == [1 / 2] * 5
    assert (ticks["name"], ticks["x"], ticks["yaxis"]) == ("pruned", [5, 6, 7], "y2")
    _, line = figures_of(study(5, objectives=3))["Optimisation history"][2]["data"]
    assert line["y"] == [0.5 - number / 1e4 for number in range(5)]


def test_a_trial_that_breaks_a_constraint_is_shown_apart_and_never_the_best_so_far() -> None:
    rows = (row(0, values=(0.9,), feasible=False), row(1, values=(0.5,)))
    dots, others, line = figures_of(Snapshot((ACCURACY,), rows))["Optimisation history"][0]["data"]
    assert (dots["y"], others["y"], line["y"]) == ([0.5], [0.9], [0.5])


def test_parallel_coordinates_have_a_line_per_complete_trial_also_through_what_it_lacks() -> None:
    trace = figures_of(study(6, failed=2))["Parallel coordinates"][0]["data"][0]
    columns = {column["label"]: column for column in trace["dimensions"]}
    assert list(columns) == ["model", "lr", "width", "valid/accuracy"]
    assert columns["model"]["values"] == [0, 1] * 3
    assert columns["lr"]["values"] == pytest.approx([-1, -2, -3] * 2)
    assert columns["lr"]["ticktext"] == ["0.001", "0.01", "0.1"]
    assert columns["width"]["ticktext"][0] == "absent"
    low = columns["width"]["tickvals"][0]
    assert columns["width"]["values"] == [16, low, 18, low, 20, low]
    assert low < 16
    assert trace["line"]["reversescale"] is True


def test_a_slice_has_the_trials_that_have_its_dimension_on_an_axis_of_its_kind() -> None:
    model, lr, width = figures_of(study(6))["Slices"]
    assert model["layout"]["xaxis"]["categoryarray"] == ["mlp", "convnet"]
    assert model["data"][0]["x"] == ["mlp", "convnet"] * 3
    assert lr["layout"]["xaxis"]["type"] == "log"
    assert lr["layout"]["xaxis"]["ticktext"] == ["0.001", "0.01", "0.1"]
    assert (width["layout"]["xaxis"]["type"], width["data"][0]["x"]) == ("linear", [16, 18, 20])


def test_a_pruned_trial_is_a_tick_at_the_bottom_of_a_slice_for_it_has_no_value() -> None:
    snapshot = study(6, pruned=2)
    model, _, width = figures_of(snapshot)["Slices"]
    assert model["data"][1]["x"] == ["mlp", "convnet"]
    assert (width["data"][1]["x"], width["data"][1]["yaxis"]) == ([22], "y2")
    assert "A tick at the bottom is a trial that was stopped." in sentences(snapshot)["Slices"]
    assert "pruned" not in sentences(study(6))["Slices"]


def test_a_choice_without_a_complete_trial_is_on_its_axis() -> None:
    rows = tuple(row(number) for number in (1, 3))
    (scale,) = (scale for scale in scales(Snapshot((ACCURACY,), rows), SPACE) if scale.key == "model")
    assert scale.column(rows)["range"] == [0.0, 1.0]


def test_choices_that_are_not_texts_are_written_as_in_yaml() -> None:
    rows = tuple(
        Row(number, "complete", {"a": value}, (0.5,)) for number, value in enumerate((True, None, 2, "x"))
    )
    (scale,) = scales(Snapshot((ACCURACY,), rows), {})
    assert scale.choices == ("true", "null", "2", "x")


def test_numbers_that_were_listed_stand_at_even_distances_in_their_order() -> None:
    listed = CategoricalDistribution((0.1, 1e-5, 0.001))
    rows = tuple(Row(number, "complete", {"lr": value}, (0.5,)) for number, value in enumerate((0.1, 1e-5)))
    (scale,) = scales(Snapshot((ACCURACY,), rows), {"lr": listed})
    assert scale.choices == ("1e-05", "0.001", "0.1")
    assert scale.column(rows)["values"] == [2.0, 0.0]


def test_a_curve_of_one_step_is_a_dot() -> None:
    rows = (row(0), row(1, state="pruned", reports=((1, 0.5),)))
    traces = {trace["name"]: trace for trace in figures_of(Snapshot((ACCURACY,), rows))["Curves"][0]["data"]}
    assert (traces["pruned"]["y"], traces["pruned"]["mode"]) == ([0.5, None], "lines+markers")
    long = tuple(row(n, reports=tuple((step, 0.5) for step in range(100))) for n in range(30))
    assert figures_of(Snapshot((ACCURACY,), long))["Curves"][0]["data"][0]["mode"] == "lines"


def test_importance_finds_the_dimension_that_matters_also_where_some_trials_lack_others() -> None:
    shares = importance(study(60), SPACE, 0)
    assert set(shares) == {"model", "lr", "width"}
    assert max(shares, key=lambda name: shares[name]) == "lr"
    assert sum(shares.values()) == pytest.approx(1)


def test_importance_equals_that_of_optuna() -> None:
    snapshot = study(60)
    direct = optuna.create_study(direction="maximize")
    for trial in snapshot.rows:
        known = {key: SPACE[key] for key in trial.point}
        direct.add_trial(
            optuna.create_trial(
                params=dict(trial.point), distributions=known, value=(trial.values or (0.0,))[0]
            )
        )
    found = optuna.importance.get_param_importances(direct)  # of 60 trials a tenth is six: its own default
    assert importance(snapshot, SPACE, 0)["lr"] == pytest.approx(found["trainer.optimizer.lr"])


@pytest.mark.parametrize(
    ("snapshot", "sentence"),
    [
        (study(9), "Importance needs 10 complete trials or more; there are 9."),
        (
            Snapshot((ACCURACY,), tuple(Row(n, "complete", {"lr": 0.1 * n}, (0.5,)) for n in range(12))),
            "The importance of dimensions needs two of them or more.",
        ),
    ],
)
def test_a_missing_importance_has_a_reason(snapshot: Snapshot, sentence: str) -> None:
    assert sentences(snapshot)["Importance"] == sentence


def test_the_front_is_marked_in_every_pair_of_objectives() -> None:
    snapshot = study(6, objectives=3)
    figures = figures_of(snapshot)["Pareto front"]
    assert len(figures) == 3
    best = [trial.values for trial in snapshot.best]
    others, front = figures[1]["data"]
    assert list(zip(front["x"], front["y"], strict=True)) == [(value[0], value[2]) for value in best if value]
    assert len(others["x"]) == 6 - len(best)
    assert "Pareto front" not in figures_of(study(6))


def test_curves_keep_a_gap_between_trials_and_mark_pruned_ones() -> None:
    traces = {trace["name"]: trace for trace in figures_of(study(2, pruned=1))["Curves"][0]["data"]}
    assert set(traces) == {"pruned", "complete", "best"}
    assert traces["complete"]["x"] == [1, 2, 3, 4, None] * 2
    assert traces["pruned"]["customdata"] == [2, 2, 2, 2, None]
    assert traces["best"]["y"] == [0.125, 0.25, 0.375, 0.5, None]
    assert traces["pruned"]["opacity"] < traces["complete"]["opacity"]


def test_of_very_many_curves_some_are_drawn_with_a_note() -> None:
    snapshot = study(1000)
    assert sentences(snapshot)["Curves"].endswith("Of 1,000 curves, every 4th is drawn.")
    trace = figures_of(snapshot)["Curves"][0]["data"][0]
    assert trace["x"].count(None) == 250


def test_the_timeline_has_a_bar_per_trial_on_its_workers_row() -> None:
    bars = {bar["name"]: bar for bar in figures_of(study(3, failed=1))["Timeline"][0]["data"]}
    assert bars["complete"]["y"] == ["here-0", "here-1", "here-0"]
    assert bars["complete"]["x"] == [1500.0] * 3
    assert bars["failed"]["base"] == ["2026-01-02T00:00:03.000"]


def test_a_trial_that_still_runs_is_a_bar_up_to_the_last_moment_that_is_known() -> None:
    rows = (row(0), row(1, state="running", ended=None))
    bars = {bar["name"]: bar for bar in figures_of(Snapshot((ACCURACY,), rows))["Timeline"][0]["data"]}
    assert bars["running"]["x"] == [500.0]


def test_nothing_that_a_user_wrote_is_taken_for_a_tag(tmp_path: Path) -> None:
    point = {"model": "<i>mlp</i>", "trainer.optimizer.lr": 0.1}
    snapshot = Snapshot((ACCURACY,), (row(0, state="failed"), row(1, point=point), row(2)))
    page = write_report(tmp_path, "a <title>", material(snapshot, note=NASTY)).read_text()
    body, _, scripts = page.partition('<main class="columns">')[2].partition("</main>")
    assert "<i>" not in body
    assert "alert('here')" not in body
    assert "&lt;script&gt;alert(&#39;here&#39;)" in body
    assert scripts.count("</script>") == 4
    assert "<title>a &lt;title&gt;</title>" in page
    assert "&lt;i&gt;mlp&lt;/i&gt;" in json.dumps(figures_of(snapshot)["Slices"])


def test_no_password_reaches_the_page(tmp_path: Path) -> None:
    failed = row(0, state="failed", error="no answer from postgresql://me:hunter22@db")
    point = {"data.uri": "postgresql://me:hunter22@db/rows"}
    snapshot = Snapshot((ACCURACY,), (failed, row(1, point=point), row(2, point=point)))
    write_report(tmp_path, "a", material_of_all(snapshot))
    assert "hunter22" not in (tmp_path / "report.html").read_text()


def material_of_all(snapshot: Snapshot) -> SweepMaterial:
    return SweepMaterial(snapshot, {}, {}, lambda row: "python -m harness")


@pytest.mark.parametrize("rows", [(), (row(0, state="failed"), row(1, state="pruned"))])
def test_a_sweep_without_a_complete_trial_has_a_page(tmp_path: Path, rows: tuple[Row, ...]) -> None:
    page, _ = written(tmp_path, Snapshot((ACCURACY,), rows))
    assert "there is no best one" in page
    assert "could not be drawn" not in page


def test_an_error_in_one_section_costs_no_other(tmp_path: Path) -> None:
    broken = SweepMaterial(study(12), {}, {}, lambda row: "python")  # no distribution is known
    parts = {section.title: section for section in sections(broken)}
    assert parts["Importance"].text.startswith("This part could not be drawn (ValueError: ")
    assert drawn_in(parts["Importance"]) == []
    assert len(drawn_in(parts["Slices"])) == 3


def test_a_value_that_is_not_finite_costs_no_report(tmp_path: Path) -> None:
    reports = ((1, math.nan), (2, math.inf), (3, 0.5))
    _, figures = written(tmp_path, Snapshot((ACCURACY,), (row(0, reports=reports), row(1))))
    (curves,) = (
        figure for figure in figures if figure["layout"].get("xaxis", {}).get("title") == {"text": "step"}
    )
    assert curves["data"][1]["y"] == [None, None, 0.5, None]


def test_a_point_of_a_former_space_is_drawn_as_well() -> None:
    outside = row(1, point={"model": "transformer", "trainer.optimizer.lr": 0.5})
    model = figures_of(Snapshot((ACCURACY,), (row(0), outside)))["Slices"][0]
    assert model["layout"]["xaxis"]["categoryarray"] == ["mlp", "convnet", "transformer"]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install chromium")
def test_a_browser_draws_every_figure(tmp_path: Path) -> None:
    _, figures = written(tmp_path, study(24, failed=2))
    command = [str(BROWSER), *QUIET.split(), f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, f"file://{tmp_path / 'report.html'}"], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.count('class="figure js-plotly-plot"') == len(figures)
    assert done.stdout.count("main-svg") >= len(figures)


def test_the_page_of_a_sweep_that_runs_reads_itself_again(tmp_path: Path) -> None:
    page = write_report(tmp_path, "a", material(study(12)), reload=20.0).read_text()
    assert '<meta http-equiv="refresh" content="20">' in page
    assert ">running</span>" in page
    assert (
        "refresh" not in write_report(tmp_path, "a", material(study(12))).read_text().partition("<style>")[0]
    )
