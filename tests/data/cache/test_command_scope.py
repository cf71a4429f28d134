"""What one command shares, and for how long."""

import os

from harness.data.cache.cache_store import Store
from harness.data.cache.command_scope import Command, command, current


def test_a_call_from_python_is_a_command_of_its_own_each_time(monkeypatch):
    monkeypatch.delenv("HARNESS_COMMAND", raising=False)
    assert current().token != current().token


def test_within_a_command_all_see_the_same_one_and_after_it_none():
    with command(many=True) as own:
        assert current() is own
        assert os.environ["HARNESS_COMMAND"] == own.token
    assert current() is not own
    assert "HARNESS_COMMAND" not in os.environ


def test_a_process_that_a_command_started_works_for_it(monkeypatch):
    monkeypatch.setattr("harness.data.cache.command_scope._current", None)
    monkeypatch.setenv("HARNESS_COMMAND", "abc")
    assert current().token == "abc"
    assert current() is current()
    assert current().many


def test_a_command_of_many_runs_remembers_its_last_four_tables():
    own = Command("t", many=True)
    for name in "abcd":
        own.remember(name, name.upper())
    assert own.table("a") == "A"
    own.remember("e", "E")
    assert [own.table(name) for name in "abcde"] == ["A", None, "C", "D", "E"]


def test_a_command_of_one_run_holds_no_table_in_memory():
    own = Command("t", many=False)
    own.remember("a", "A")
    assert own.table("a") is None


def test_entries_of_one_command_are_removed_at_its_end(tmp_path):
    store = Store(tmp_path, 1000)
    with command(many=True) as own:
        own.folders.add(tmp_path)
        store.keep(f"{own.token}-rows", lambda folder: (folder / "x").write_text("1"))
        store.keep("others", lambda folder: (folder / "x").write_text("1"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["others"]
