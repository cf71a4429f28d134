"""The generated reference has every group, choice, setting and verb, with the values of the yaml files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from docs_site import reference
from docs_site.choice_settings import read_choice
from harness.__main__ import VERBS
from harness.config.choice_files import CONF, all_groups, yamls
from harness.config.known_settings import CACHE, SETTINGS

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.slow  # imports the library of each part


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference.pages()


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables by the text of their first cell, without its marks."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| "):
            first, *others = re.split(r"(?<!\\) \| ?", line.removeprefix("| ").removesuffix("|"))
            found[first.strip("` ")] = [other.strip() for other in others]
    return found


@pytest.mark.parametrize("group", all_groups())
def test_each_choice_has_a_section_with_each_key_of_its_yaml_file(pages: dict[str, str], group: str) -> None:
    page = pages[reference.page_of(group)]
    sections = dict(re.findall(r"^## (\w+) .*?\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(yamls(group))
    for name, file in yamls(group).items():
        assert f"](#{name})" in page.partition("\n## ")[0]
        first = next(
            line for line in file.read_text().splitlines() if line[0] == "#" and "@package" not in line
        )
        assert reference.prose(first.lstrip("# ")).rstrip(".")[1:] in sections[name]
        content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
        assert isinstance(content, dict)
        table = rows(sections[name])
        for key in content.keys() - {
            "defaults",
            "_target_",
            "_partial_",
            "_recursive_",
            "_convert_",
            "_auto_",
        }:
            assert any(re.search(rf"(^|\.){re.escape(str(key))}(\.|$)", row) for row in table), (name, key)


def test_a_setting_has_its_default_its_values_and_its_unit(pages: dict[str, str]) -> None:
    text = pages[reference.page_of("trainer/update")]
    table = rows(text.partition("\n## default ")[2].partition("\n## ")[0])
    assert table["trainer.update.clip_norm"] == [
        "`null`",
        "a number or null",
        "largest 2-norm of the gradient of all parameters together; null: no clipping",
    ]
    text = pages[reference.page_of("trainer/method")]
    assert "`trainer/method=simclr` with `trainer=contrastive`; `trainer/method=fixmatch` with" in text
    simclr = text.partition("\n## simclr ")[2].partition("\n## ")[0]
    assert rows(simclr)["trainer.method.loss.temperature"][0] == "`0.2`"


def test_the_settings_without_a_group_are_all_there(pages: dict[str, str]) -> None:
    table = rows(pages[reference.CONFIGURATION])
    optional = {"evaluate.metrics", "evaluate.importance"}  # parts, on pages of their own
    assert set(SETTINGS) - optional | {f"data.cache.{name}" for name in CACHE} <= set(table)
    assert table["checkpoint.share"][:2] == ["`0.05`", "a whole number or a number"]
    assert "writing checkpoints" in table["checkpoint.share"][2]


def test_each_verb_has_its_options(pages: dict[str, str]) -> None:
    text = pages[reference.VERB_PAGE]
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == list(VERBS)
    for name in VERBS:
        assert f"usage: python -m harness {name} [-h] [--json]" in text
    assert "--workers" in text.partition("\n## serve\n")[2].partition("\n## ")[0]


NAMED_BY_USERS = re.compile(
    r"resume|callbacks.*|tags\..*|evaluate\.metrics\..*|data\.transform\.numeric\.1.*"
)
PAGES = sorted([*(DOCS / "coming_from").glob("*.md"), *(DOCS / "ideas").glob("*.md"), DOCS / "limits.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_choices_and_keys_that_are_there(pages: dict[str, str], page: Path) -> None:
    keys = {key for text in pages.values() for key in rows(text)}
    found = 0
    for line in page.read_text(encoding="utf-8").splitlines():
        ours = re.split(r" \| ", line.strip("| "))[-1] if line.startswith("|") else line
        for code in re.findall(r"`([^`]+)`", ours):
            for key, value in re.findall(r"(?<![\w./])\+?([a-z][\w./]*)=(\w*)", code):
                found += 1
                if key in all_groups():
                    assert value in (*yamls(key), "mine"), code
                else:
                    assert key in keys or NAMED_BY_USERS.fullmatch(key), code
    assert found > 5 or page.parent.name != "coming_from"


def test_the_navigation_has_each_page_once(pages: dict[str, str]) -> None:
    named = [
        entry if isinstance(entry, str) else next(iter(entry.values())) for entry in reference.navigation()
    ]
    assert sorted(named) == sorted(pages)


def test_signs_of_markdown_in_a_comment_are_themselves() -> None:
    assert reference.prose("a*b*[c](d) <e> `f|g` h_i | j") == (
        r"a\*b\*\[c\](d) &lt;e> <code>f&#124;g</code> h\_i \| j"
    )


def test_a_file_of_another_package_has_the_keys_of_that_package() -> None:
    off = read_choice("evaluate/importance", CONF / "evaluate/importance/off.yaml")
    assert [(each.key, each.default) for each in off.settings] == [("evaluate.importance", None)]
    whole = read_choice("experiment", Path(CONF) / "experiment/small_table.yaml")
    assert {each.key: each.default for each in whole.settings}["trainer.steps"] == 1500
    assert whole.chooses["data/transform/numeric"] == "robust"
