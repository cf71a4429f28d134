import shlex

import pytest
from omegaconf import OmegaConf

from harness.config.compose import compose
from harness.core.typed_override import typed, typed_item

NAMES = [
    "plain",
    "first name",
    "größe",
    "a=b",
    "a,b",
    "x.y",
    "a:b",
    "k{1}",
    "what's",
    "2019",
    "true",
    "null",
    'a"b',
    "a\\b",
    "a\\",
    "цена",
    "$x",
    "${y}",
    "[z]",
    " led",
    "x (cm)",
    "#n",
    "1,5",
]


def value(override: str, key: str) -> object:
    """What the command line makes of an override that was typed in a shell."""
    extract = compose(["data/extract=csv", "data.extract.path=a.csv", *shlex.split(override)]).data.extract
    return OmegaConf.to_container(extract, resolve=True)[key]


def test_a_list_and_a_text_of_any_names_are_read_as_they_are():
    assert value(typed("data.extract.drop", NAMES), "drop") == NAMES


@pytest.mark.parametrize("name", ["plain", "null", "a=b", "a,b", "[z]", "${y}", 'a"b'])
def test_a_text_of_any_characters_is_read_as_it_is(name):
    assert value(typed("data.extract.target", name), "target") == name


@pytest.mark.parametrize("name", ["plain", "first name", "2019", "größe"])
def test_an_item_of_a_mapping_is_read_as_it_is(name):
    assert value(typed_item("data.extract.types", name, "text"), "types") == {name: "text"}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (typed("data.extract.drop", ["a", "b_2"]), "'data.extract.drop=[a,b_2]'"),
        (typed("data.extract.drop", ["first name"]), "'data.extract.drop=[\"first name\"]'"),
        (typed("data.extract.decimal", ","), "'data.extract.decimal=\",\"'"),
        (typed("data.extract.group", None), "data.extract.group=null"),
        (typed_item("data.extract.types", "a", "int"), "+data.extract.types.a=int"),
        (
            typed_item("data.extract.types", "größe (cm)", "int"),
            'data.extract.types: {"größe (cm)": int} in a yaml file',
        ),
    ],
)
def test_quotes_are_where_a_shell_or_the_grammar_needs_them(made, expected):
    assert made == expected
