from harness.config.nodes import nodes, packages

CONTENT = {
    "_target_": "mine.Outer",
    "parts": [{"_target_": "theirs.deep.Inner", "size": 3}, {"size": 4}, 5],
    "further": {"within": {"_target_": "mine.other.Inner"}},
    "odd": {"_target_": None},
}


def test_every_node_is_found_an_outer_one_first():
    assert [node["_target_"] for node in nodes(CONTENT)] == [
        "mine.Outer",
        "theirs.deep.Inner",
        "mine.other.Inner",
    ]


def test_what_has_no_target_holds_no_node():
    assert list(nodes({"a": [1, "_target_", None]})) == []


def test_each_package_is_listed_once():
    assert packages(CONTENT) == {"mine", "theirs"}
    assert packages([CONTENT, None]) == {"mine", "theirs"}
