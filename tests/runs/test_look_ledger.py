"""harness/runs/look_ledger.py, held_out_rows.py, row_contents.py and look_optimism.py"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UnknownName
from harness.core.fold import Fold
from harness.core.table import Table
from harness.runs.held_out_rows import HeldOutRows
from harness.runs.look_ledger import LookLedger, require_none_sealed
from harness.runs.look_optimism import (
    expected_optimism,
    look_facts,
    look_sentence,
    ordinal,
    sealed_facts,
    standard_error,
)
from harness.runs.run_result import summarise
from harness.runs.seal_errors import Looks, SealedRows, SeenBefore, Unsealed


def table(rows: int = 40, source: str = "a.csv") -> Table:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": random.normal(size=rows), "b": random.integers(9, size=rows), "y": [0, 1] * 20}
    )
    return Table(frame, ("a", "b"), ("y",), name="Some Rows", source=source)


def held_out(first: int, last: int, of: Table | None = None) -> HeldOutRows:
    rows = np.arange(40)
    test = rows[first:last]
    return HeldOutRows.of(of or table(), [Fold(0, np.setdiff1d(rows, test), rows[:0], test)])


def test_a_seal_is_found_by_any_of_its_rows_until_it_is_opened_once(tmp_path: Path) -> None:
    ledger, rows = LookLedger(tmp_path), held_out(30, 40)
    ledger.require_sealable(rows)
    assert list(ledger.seals()) == []
    seal = ledger.seal(table(), rows)
    assert seal.name.startswith("some-rows-")
    assert ledger.seal(table(), rows).name == seal.name  # a second run with the same rows
    assert [found.name for found in ledger.closed()] == [seal.name]
    assert np.array_equal(ledger.find(seal.name).tested.rows, np.arange(30, 40))

    ledger.require_open(held_out(0, 30), "it")
    with pytest.raises(SealedRows) as refused:
        ledger.require_open(held_out(25, 33), "8 rows would be scored")
    assert refused.value.count == 3
    with pytest.raises(SealedRows):
        ledger.require_sealable(held_out(25, 33))
    narrower = table().with_features(table().frame, ("a",), None)
    assert narrower.digest != table().digest
    with pytest.raises(SealedRows):  # a column left out makes no other rows
        ledger.require_open(held_out(30, 40, narrower), "it")
    ledger.require_open(
        held_out(30, 40, table(source="b.csv").with_features(table().frame, ("a",), None)), "it"
    )

    ledger.unseal(seal.name, "one")
    ledger.unseal(seal.name, "one")  # after an interruption
    ledger.require_open(rows, "it")
    with pytest.raises(Unsealed) as twice:
        ledger.unseal(seal.name, "other")
    assert twice.value.run == "one"
    with pytest.raises(Unsealed):
        ledger.require_sealable(rows)
    ledger.close_again(seal)
    assert len(ledger.closed()) == 1
    with pytest.raises(UnknownName, match=seal.name):
        ledger.find("some-row")


def test_rows_that_were_looked_at_cannot_be_sealed(tmp_path: Path) -> None:
    ledger = LookLedger(tmp_path)
    assert ledger.add_look(held_out(30, 40), "one") == Looks(1, 1)
    assert ledger.add_look(held_out(30, 40), "two") == Looks(2, 2)
    assert ledger.add_look(held_out(30, 40), "two") == Looks(3, 2)
    assert ledger.add_look(held_out(0, 40), "all") == Looks(1, 1)
    with pytest.raises(SeenBefore) as refused:
        ledger.seal(table(), held_out(35, 40))
    assert refused.value.looks == Looks(4, 3)
    assert not list(ledger.seals())
    ledger.require_open(held_out(35, 40), "it")


def test_looks_and_openings_of_several_writers_are_all_counted(tmp_path: Path) -> None:
    ledger, rows = LookLedger(tmp_path), held_out(30, 40)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: LookLedger(tmp_path).add_look(rows, str(number % 5)), range(40)))
    assert ledger.looks(rows) == Looks(40, 5)
    name = ""
    for first in range(0, 20, 2):
        sealed = held_out(first, first + 2)
        with ThreadPoolExecutor(8) as pool:
            seals = list(pool.map(lambda _, rows=sealed: LookLedger(tmp_path).seal(table(), rows), range(8)))
        (name,) = {seal.name for seal in seals}
        assert {len(seal.known) for seal in seals} == {2}

    def opened(number: int) -> bool:
        try:
            LookLedger(tmp_path).unseal(name, f"run {number}")
        except Unsealed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(opened, range(8))) == 1


def test_rows_are_recognised_in_another_file_whatever_their_types(tmp_path: Path) -> None:
    ledger = LookLedger(tmp_path)
    (seal,) = [ledger.seal(table(), held_out(30, 40))]
    frame = table().frame[["b", "a"]].astype({"b": "float32"}).iloc[::-1]
    with pytest.raises(SealedRows) as refused:
        require_none_sealed([seal], frame, None, "it")
    assert refused.value.count == 10
    require_none_sealed([seal], frame[10:], None, "it")
    require_none_sealed([seal], frame[["a"]], None, "it")  # another table
    twice = Table(pd.concat([table().frame] * 2, ignore_index=True), ("a", "b"), ("y",))
    rows = HeldOutRows.of(twice, [Fold(0, np.arange(0), np.arange(0), np.arange(30, 40))])
    assert len(LookLedger(tmp_path / "other").seal(twice, rows).known) == 0  # each has a copy elsewhere


def test_arrays_are_recognised(tmp_path: Path) -> None:
    array = np.random.default_rng(1).normal(size=(40, 1, 3, 3)).astype(np.float32)
    rows = Table(pd.DataFrame({"y": [0, 1] * 20}), (), ("y",), kind="image", array=array)
    part = HeldOutRows.of(rows, [Fold(0, np.arange(30), np.arange(0), np.arange(30, 40))])
    seal = LookLedger(tmp_path).seal(rows, part)
    with pytest.raises(SealedRows) as refused:
        require_none_sealed([seal], rows.frame, array.astype(np.float64)[25:33], "it")
    assert refused.value.count == 3
    require_none_sealed([seal], rows.frame, array[:30], "it")


def test_the_optimism_is_the_expected_maximum_of_as_many_scores() -> None:
    assert expected_optimism(1, 0.1) == 0
    best = np.random.default_rng(0).normal(size=(40_000, 14)).max(axis=1)
    assert expected_optimism(14, 1.0) == pytest.approx(best.mean(), rel=0.01)
    assert expected_optimism(2, 0.5) == pytest.approx(0.5 / np.sqrt(np.pi), rel=0.05)


def test_the_standard_error_is_over_rows_or_folds() -> None:
    one = summarise([0.9])
    assert standard_error(one) is None
    assert standard_error(one | {"ci95_rows": [0.8, 0.996]}) == pytest.approx(0.05, rel=1e-3)
    assert standard_error(summarise([0.8, 0.9, 1.0, 0.9])) == pytest.approx(
        np.std([0.8, 0.9, 1, 0.9], ddof=1) / 2
    )


def test_the_sentence_names_look_models_and_optimism() -> None:
    scores = {"test/accuracy": summarise([0.98]) | {"ci95_rows": [0.96, 0.99]}}
    facts = look_facts(359, Looks(14, 12), scores, "valid/accuracy")
    assert facts["optimism"] == pytest.approx(expected_optimism(12, 0.03 / 3.92), rel=1e-3)
    sentence = look_sentence(facts)
    assert "14th look at these 359 test rows, of 12 models" in sentence
    assert f"test/accuracy of so many is expected to be up to {facts['optimism']:.2g} too good" in sentence
    assert look_sentence(look_facts(1, Looks(1, 1), scores, "valid/f1")) == "the 1st look at this 1 test row"
    assert look_sentence(None) == ""
    assert [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 112, 1_002)] == (
        ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th", "1,002nd"]
    )


def test_the_sentence_on_a_seal_says_for_which_other_run_it_was_opened(tmp_path: Path) -> None:
    ledger, tested = LookLedger(tmp_path), held_out(30, 32)
    seal, facts = ledger.seal(table(), tested), sealed_facts(2, tested.name)
    offers = f"2 test rows sealed; `python -m harness unseal {seal.name} --run b` scores them, once"
    assert ledger.opened_for_another(facts, "b") is None
    assert look_sentence(facts, "b") == offers
    assert look_sentence(facts, "b", finished=False) == f"2 test rows sealed as {seal.name}"
    ledger.unseal(seal.name, "a")
    assert ledger.opened_for_another(facts, "a") is None  # whose scoring was interrupted
    opened = ledger.opened_for_another(facts, "b")
    assert opened is not None
    assert opened["run"] == "a"
    assert look_sentence(facts, "b", {"run": "a", "time": "2026-11-30T10:00:00+00:00"}) == (
        f"2 test rows sealed as {seal.name} until 2026-11-30, when a was scored; "
        "`python -m harness evaluate b` scores this run too, and counts the look"
    )
    for other in (None, facts | {"sealed": None, "look": 1}, sealed_facts(2, "other")):
        assert ledger.opened_for_another(other, "b") is None
