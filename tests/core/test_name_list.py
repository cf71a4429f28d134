import pytest

from harness.core.name_list import listed


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        ([1, 2, 3], "1, 2 and 3"),
        (list("abcdefg"), "a, b, c and 4 more"),
    ],
)
def test_a_long_list_is_cut_and_counted(names, expected):
    assert listed(names) == expected
    assert listed(names, most=len(names) or 1).count(" more") == 0
