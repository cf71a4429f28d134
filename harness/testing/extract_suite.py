"""Contract of sources of data: see `harness.core.protocol.Extractor`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from harness.testing.suite_choices import Suite


class TestExtractors(Suite):
    """Every yaml of `data/extract`.

    A source that reads a file gets one from `changes`:

        def changes(self, choice, folder):
            (folder / "rows.csv").write_text("x,y\\n1,a\\n2,b\\n")
            return {"path": str(folder / "rows.csv")}
    """

    group: ClassVar[str] = "data/extract"
    remedy: ClassVar[str] = "let `changes` of your TestExtractors return {{'{key}': VALUE}} for {choice!r}"

    def changes(self, choice: str, folder: Path) -> dict[str, Any]:
        """Arguments to change, with files that it writes into `folder`; a subclass defines it."""
        del choice, folder
        return {}

    def test_a_source_gives_a_table_of_the_kind_that_its_yaml_names(
        self, choice: str, tmp_path: Path
    ) -> None:
        changes = self.changes(choice, tmp_path)
        table = self.make(choice, **changes)()
        kind = self.node(choice).get("kind", "table")
        assert table.kind == kind, f"the yaml says kind: {kind}, and the table has kind {table.kind}"
        assert table.target, "the table has no target: Table(..., target=(COLUMN,))"
        shared = set(table.features) & {table.group, table.id, *table.target}
        assert not shared, f"{shared} are features and also target, group or id"
        assert bool(table.features) == (table.array is None), "a table has either `features` or `array`"
        assert list(table.frame.index) == list(range(len(table))), "the index of the frame must be 0 to N-1"

    def test_a_source_that_is_read_twice_gives_the_same_rows(self, choice: str, tmp_path: Path) -> None:
        changes = self.changes(choice, tmp_path)
        one, two = (self.make(choice, **changes)().digest for _ in range(2))
        assert one == two, "the source gave other rows when read again"

    def test_a_fingerprint_is_a_text_that_stays_or_none(self, choice: str, tmp_path: Path) -> None:
        changes = self.changes(choice, tmp_path)
        one, two = (getattr(self.make(choice, **changes), "fingerprint", lambda: None)() for _ in range(2))
        assert one is None or isinstance(one, str), "`fingerprint` must return a text or None"
        assert one == two, "`fingerprint` changed, though the data did not"
