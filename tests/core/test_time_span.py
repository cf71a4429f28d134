from __future__ import annotations

import pytest

from harness.core.time_span import read_span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", 604800),
        ("36h", 129600),
        ("2 hours", 7200),
        ("1 hour", 3600),
        ("90min", 5400),
        ("1.5 minutes", 90),
        ("0.5 s", 0.5),
        ("2 weeks", 1209600),
    ],
)
def test_a_number_and_a_unit_are_a_length_of_time(text: str, seconds: float) -> None:
    span = read_span(text)
    assert span is not None
    assert span.total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "7x", "-7d", "1e3 s", "2 hours 5 min", "9999999999d"])
def test_other_texts_are_none(text: str) -> None:
    assert read_span(text) is None
