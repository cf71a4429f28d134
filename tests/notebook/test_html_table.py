from __future__ import annotations

import pandas as pd

from harness.notebook.html_table import MOST_ROWS, shown


def test_texts_are_escaped_and_long_tables_are_cut() -> None:
    table = pd.DataFrame({"<i>": [f"<u>{row}" for row in range(MOST_ROWS + 3)], "x": 0.123456789})
    page = shown("<b>", {"status": "<s>", "error": None}, table, "<note>")
    assert not [text for text in ("<i>", "<u>", "<s>", "<note>", "<b><b>") if text in page]
    assert "<b>&lt;b&gt;</b>" in page
    assert "error" not in page
    assert f"&lt;u&gt;{MOST_ROWS - 1}<" in page
    assert f"&lt;u&gt;{MOST_ROWS}<" not in page
    assert "3 more rows; &lt;note&gt;" in page
    assert "0.1235" in page
