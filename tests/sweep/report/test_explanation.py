"""harness/sweep/report/explanation.py: planted causes are found, and chance is no cause."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from harness.cli.why import main
from harness.core.errors import UserError
from harness.runs.journal import Journal
from harness.runs.run_result import Result
from harness.sweep.report.explanation import (
    Statement,
    cause_of,
    common_rule,
    edge_statements,
    explain,
    failure_statements,
)
from harness.sweep.report.sweep_result import sum_up
from harness.sweep.study.snapshot import Objective, Row, Snapshot

SPACE = {
    "trainer.optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
    "model.dropout": FloatDistribution(0.0, 0.5),
    "model": CategoricalDistribution(["mlp", "vit"]),
    "data.load.batch_size": IntDistribution(16, 256),
}


def sweep(seed: int, cause: str = "none", edge: int = 0, trials: int = 40) -> Snapshot:
    """Random points; `cause` is "lr" or "model", or "chance": a fifth of the trials fails anywhere.

    Args:
        edge: 1 where the best trials lie at the upper edge of the dropout, -1 at the lower one.
    """
    random = np.random.default_rng(seed)
    rows = []
    for number in range(trials):
        rate = float(10 ** random.uniform(-4, -1))
        model = str(random.choice(["mlp", "vit"]))
        drop = float(random.uniform(0, 0.5))
        point = {
            "trainer.optimizer.lr": rate,
            "model.dropout": drop,
            "model": model,
            "data.load.batch_size": int(random.integers(16, 257)),
        }
        planted = {"lr": rate > 0.02, "model": model == "vit", "none": False, "chance": random.random() < 0.2}
        if planted[cause]:
            error = f"the training loss became nan in step {number}."
            rows.append(Row(number, "failed", point, error=error))
        else:
            value = float(random.normal() + 20 * drop * edge)
            rows.append(Row(number, "complete", point, (value,)))
    return Snapshot((Objective("valid/accuracy", "maximize"),), tuple(rows), trials)


@pytest.mark.parametrize(("cause", "key"), [("lr", "trainer.optimizer.lr"), ("model", "model")])
def test_a_planted_cause_is_found_in_fifty_sweeps(cause: str, key: str) -> None:
    found = [list(failure_statements(sweep(seed, cause), SPACE)) for seed in range(50)]
    named = [statements[0].key == key and len(statements) == 1 for statements in found if statements]
    assert np.mean(named) >= 0.95


def test_failures_without_a_cause_have_no_region() -> None:
    found = [list(failure_statements(sweep(seed, "chance"), SPACE)) for seed in range(60)]
    assert np.mean([any(statement.key for statement in each) for each in found]) <= 0.05
    first = next(each[0] for each in found if each)
    assert "in no particular region of the space: the training loss became nan" in first.text


def test_numbers_that_differ_between_the_failures_of_a_cause_are_a_range() -> None:
    errors = [
        f"Diverged: nan in step {step}, epoch 1 (lr={lr}); try less" for step, lr in ((12, 0.5), (7, "5e-2"))
    ]
    assert common_rule(errors) == "Diverged: nan in step 7 to 12, epoch 1 (lr=5e-2 to 0.5)"
    assert common_rule(errors[:1]) == "Diverged: nan in step 12, epoch 1 (lr=0.5)"
    assert common_rule([None]) == "no reason given"
    assert cause_of(errors[0]) == cause_of(errors[1]) != cause_of("Diverged: nan in step N, epoch 1 (lr=N)")


@pytest.mark.parametrize(
    ("status", "says"), [("failed", "failed: the loss is nan"), ("finished", "has finished")]
)
def test_of_a_run_the_verb_says_how_it_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], status: Any, says: str
) -> None:
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    journal = Journal(folder)
    journal.start("", "one")
    journal.close()
    main(["one", "--outputs", str(tmp_path)])
    assert capsys.readouterr().out == "one has not ended\n"
    error = says.partition(": ")[2]
    Result(status=status, error=f"Diverged: {error}" if error else None).write(folder / "result.json")
    main(["one", "--outputs", str(tmp_path)])
    assert capsys.readouterr().out == f"one {says}\n"


def test_the_sentence_has_the_counts_and_the_interval_to_type() -> None:
    statement = explain(sweep(3, "lr"), SPACE)[0]
    rows = sweep(3, "lr").rows
    failed = [row.point["trainer.optimizer.lr"] for row in rows if row.state == "failed"]
    most = max(row.point["trainer.optimizer.lr"] for row in rows if row.state == "complete")
    assert statement.p is not None
    assert statement.p < 0.001
    assert statement.text.startswith(f"{len(failed)} of {len(failed)} failures have lr > 0.0")
    assert f"'trainer.optimizer.lr=tag(log,interval(0.0001,{most:.4g}))'" in statement.text


def test_a_best_value_at_the_edge_has_a_wider_interval_and_one_by_chance_has_none() -> None:
    found = [list(edge_statements(sweep(seed, edge=1, trials=80), SPACE)) for seed in range(20)]
    assert np.mean([[statement.key for statement in each] == ["model.dropout"] for each in found]) >= 0.95
    assert "'model.dropout=interval(0,0.75)'" in found[0][0].text
    (lower,) = edge_statements(sweep(0, edge=-1, trials=80), SPACE)
    assert "at the lower edge of dropout" in lower.text
    assert "interval" not in lower.text  # there is no dropout below 0
    positive = SPACE | {"model.dropout": FloatDistribution(0.0001, 0.5)}
    (lower,) = edge_statements(sweep(0, edge=-1, trials=80), positive)
    assert "'model.dropout=interval(1e-05,0.5)'" in lower.text  # a rate of 0 would be refused
    chance = [list(edge_statements(sweep(seed), SPACE)) for seed in range(60)]
    assert np.mean([bool(each) for each in chance]) <= 0.05


def test_few_trials_say_nothing() -> None:
    assert explain(sweep(0, trials=4), SPACE) == []
    assert explain(Snapshot((Objective("valid/accuracy", "maximize"),), (), 5), SPACE) == []


def test_the_verb_prints_what_the_result_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "sweeps" / "lr-0"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "journal.jsonl").touch()
    words = [str(folder), "--outputs", str(tmp_path)]
    with pytest.raises(UserError, match="has not ended"):
        main(words)
    result = sum_up(folder, sweep(3, "lr", trials=0), "finished", 1.0, "")
    result.write(folder)
    main(words)
    assert "no trial failed" in capsys.readouterr().out
    statement = Statement("failures", "lr", 0.01, "7 of 9 failures have lr > 0.03")
    content = json.loads((folder / "result.json").read_text()) | {"why": [statement.as_dict()]}
    (folder / "result.json").write_text(json.dumps(content))
    assert main(words).result == {"statements": [statement.as_dict()]}
    assert capsys.readouterr().out == "7 of 9 failures have lr > 0.03\n"
