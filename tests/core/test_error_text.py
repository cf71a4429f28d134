"""Errors of the user's code as text."""

from __future__ import annotations

import pytest

from harness.core import error_text as error_text_module
from harness.core.error_text import (
    LONGEST,
    clipped,
    described,
    error_text,
    mask_errors,
    printable,
    stack,
)


class WithoutText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("two\n lines "), "ValueError: two lines"),
        (ValueError(), "ValueError"),
        (WithoutText(), "WithoutText: (its text could not be made: RuntimeError)"),
        (ValueError("a\ud800b\udcff"), "ValueError: a\\ud800b\\udcff"),
        (ValueError("\x1b[31mred\x00\x07\x9b"), "ValueError: \\x1b[31mred\\x00\\x07\\x9b"),
        (ValueError("\u202eabc"), "ValueError: \\u202eabc"),
        (ValueError("naïve 日本 \u200d"), "ValueError: naïve 日本 \u200d"),
    ],
)
def test_an_error_is_one_printable_line(error: Exception, text: str) -> None:
    assert described(error) == text
    assert error_text(error) == (text.removeprefix(f"{type(error).__name__}: "))
    assert text.encode().decode() == text


def test_a_text_of_megabytes_is_cut() -> None:
    error = ValueError("z" * 5_000_000)
    assert described(error) == f"ValueError: {'z' * (LONGEST - 12)}… (4,998,012 more characters)"
    assert len(stack(error)) < 10_000
    assert clipped("abc", 3) == "abc"


def test_a_secret_at_the_cut_is_masked_as_a_whole() -> None:
    error = ValueError("z" * (LONGEST - 15) + "secret")
    assert described(error, lambda text: text.replace("secret", "***")).endswith("z***")


def test_a_secret_that_the_process_knows_is_masked_before_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_text_module, "_mask", str)
    mask_errors(lambda text: text.replace("secret", "***"))
    error = ValueError("z" * (LONGEST - 3) + "secret")
    assert error_text(error).endswith("z***")
    assert "sec" not in stack(error)


@pytest.mark.parametrize("error", [WithoutText(), ValueError("\ud800"), ExceptionGroup("g", [WithoutText()])])
def test_a_stack_can_always_be_printed(error: Exception) -> None:
    text = stack(error)
    assert text.encode().decode() == text
    assert type(error).__name__ in text


def test_lines_and_tabs_stay() -> None:
    assert printable("a\tb\r\nc\rd") == "a\tb\nc\\x0dd"
