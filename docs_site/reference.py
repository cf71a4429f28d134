"""The reference: a page for each group of choices, for the settings without a group, and for the verbs.

It is made of the yaml files, of the signatures of the parts and of `--help`, as `python -m harness ls` and
`schema` are, and is not committed.
"""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Any
from unittest import mock

from docs_site.choice_settings import Choice, Setting, read_choice, shown_value
from harness.__main__ import VERBS, verb
from harness.config.choice_files import CONF, all_groups, yamls
from harness.config.known_settings import CACHE, SETTINGS
from harness.config.setting_notes import yaml_notes
from harness.config.typecheck import describe

FOLDER = "reference"
INDEX, CONFIGURATION, VERB_PAGE = (f"{FOLDER}/{name}.md" for name in ("index", "settings", "verbs"))
_ORDER = ("data", "split", "model", "trainer", "evaluate", "tracking", "sweep", "experiment", "debug")

_INDEX_HEAD = """# Reference

Every group with its choices, every setting with its default and unit, every verb with its options. These
pages are made from the yaml files, from the signatures of the parts and from `--help`.

`GROUP=CHOICE` on the command line chooses a part; `KEY=VALUE` changes a setting of it.
`python -m harness --cfg job` prints all settings of a command with their values.

"""
_SETTINGS_HEAD = """# Settings without a group

The settings of `conf/config.yaml`. Those of the parts are on the pages of their groups.

"""
_VERBS_HEAD = """# Verbs

`python -m harness VERB …`; each with `--help`. A command without a verb is a run, and with `-m` a sweep. A
RUN is a folder, a name, an MLflow run id, `SWEEP/best`, or `last`.

"""


def pages() -> dict[str, str]:
    """Page of the site -> its Markdown."""
    groups = {group: [read_choice(group, file) for file in yamls(group).values()] for group in ordered()}
    choosers = _choosers(groups)
    written = {
        page_of(group): _group_page(group, choices, groups, choosers.get(group, []))
        for group, choices in groups.items()
    }
    return {
        INDEX: _index(groups, choosers),
        CONFIGURATION: _settings_page(),
        VERB_PAGE: _verbs_page(),
        **written,
    }


def navigation() -> list[Any]:
    """The entries of the site's navigation below *Reference*."""
    first: list[Any] = [INDEX, {"Settings without a group": CONFIGURATION}, {"Verbs": VERB_PAGE}]
    return first + [{group: page_of(group)} for group in ordered()]


def ordered() -> list[str]:
    """All groups, in the order of the rows' way through a run."""
    places = {name: number for number, name in enumerate(_ORDER)}
    return sorted(all_groups(), key=lambda group: (places.get(group.partition("/")[0], len(places)), group))


def page_of(group: str) -> str:
    return f"{FOLDER}/{group}/index.md"


def prose(text: str) -> str:
    """Text of a comment as Markdown: what is within backticks is code, all other signs are themselves."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        code(part[1:-1]) if part.startswith("`") and len(part) > 2 else _escaped(part) for part in parts
    )


def code(text: str) -> str:
    """Text as code, also within a table."""
    if not text:
        return ""
    if not re.search(r"[|`\n]", text):
        return f"`{text}`"
    signs = {"\n": " "} | {sign: f"&#{ord(sign)};" for sign in "|`*_<>&\\[]"}
    return "<code>" + "".join(signs.get(letter, letter) for letter in text) + "</code>"


def _escaped(text: str) -> str:
    kept = text.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\*_\[\]|#])", r"\\\1", kept)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _settings_table(settings: Iterable[Setting]) -> str:
    rows = [(code(each.key), code(_default(each)), prose(each.values), prose(each.note)) for each in settings]
    empty = not any(values for _, _, values, _ in rows)
    kept = [(key, default, note) for key, default, _, note in rows] if empty else rows
    return _table(
        ("key", "default", "description") if empty else ("key", "default", "values", "description"), kept
    )


def _default(setting: Setting) -> str:
    if setting.default == "" and not setting.values:
        return ""  # a heading of further keys
    return shown_value(setting.default) or "''"


def _link(group: str, choice: str, page: str, groups: Iterable[str]) -> str:
    """`group=choice`, with a link to where it is described."""
    text = code(f"{group}={choice}")
    if group not in groups or choice in ("null", "") or choice not in yamls(group):
        return text
    return f"[{text}]({posixpath.relpath(page_of(group), posixpath.dirname(page))}#{choice})"


def _choosers(groups: dict[str, list[Choice]]) -> dict[str, list[tuple[str, str]]]:
    """Group -> the overrides that choose of it, and what; an empty override: `config.yaml`."""
    found: dict[str, list[tuple[str, str]]] = {}
    for group, inner in read_choice("", CONF / "config.yaml").chooses.items():
        found.setdefault(group.lstrip("/"), []).append(("", inner))
    for outer, choices in groups.items():
        for choice in choices:
            for group, inner in choice.chooses.items():
                if group.startswith(f"{outer}/"):
                    found.setdefault(group, []).append((f"{outer}={choice.name}", inner))
    return found


def _default_sentence(group: str, choosers: list[tuple[str, str]]) -> str:
    """Which choice is made where the command line has none."""
    by_choice: dict[str, list[str]] = {}
    for override, inner in choosers:
        if inner != "null":
            by_choice.setdefault(inner, []).append(override)
    if not by_choice:
        return ""
    parts = [
        f"{code(f'{group}={inner}')}" + (f" with {', '.join(map(code, overrides))}" if any(overrides) else "")
        for inner, overrides in by_choice.items()
    ]
    return f" Without it: {'; '.join(parts)}."


def _group_page(
    group: str, choices: list[Choice], groups: dict[str, list[Choice]], choosers: list[tuple[str, str]]
) -> str:
    page, known = page_of(group), _default_sentence(group, choosers)
    inside = [other for other in groups if other.startswith(f"{group}/")]
    parts = [
        f"# {group}\n\n{code(f'{group}=CHOICE')} on the command line takes one of these.{known}\n",
        _table(
            ("choice", "description"),
            [(f"[{code(each.name)}](#{each.name})", prose(each.title)) for each in choices],
        ),
    ]
    if inside:
        here = posixpath.dirname(page)
        named = ", ".join(f"[{code(other)}]({posixpath.relpath(page_of(other), here)})" for other in inside)
        parts.append(f"Groups within it: {named}.\n")
    parts += [_choice_section(each, page, groups) for each in choices]
    return "\n".join(parts)


def _choice_section(choice: Choice, page: str, groups: Iterable[str]) -> str:
    paragraphs = [prose(each) for each in re.split(r"\n\s*\n", choice.text)] if choice.text else []
    lines = [f"## {choice.name} {{ #{choice.name} }}\n", f"{_sentence(choice.title)}\n"]
    if choice.command:
        lines.append(f"```\n{choice.command}\n```\n")
    lines += [f"{paragraph}\n" for paragraph in paragraphs]
    if choice.part:
        lines.append(
            f"{code(choice.part)}: {_sentence(choice.summary)}\n"
            if choice.summary
            else f"{code(choice.part)}\n"
        )
    if choice.chooses:
        named = [_link(group, inner, page, groups) for group, inner in choice.chooses.items()]
        lines.append(f"It chooses {', '.join(named)}.\n")
    if choice.settings:
        lines.append(_settings_table(choice.settings))
    return "\n".join(lines)


def _sentence(text: str) -> str:
    return prose(text[:1].upper() + text[1:] + ("" if text.endswith(".") else "."))


def _index(groups: dict[str, list[Choice]], choosers: dict[str, list[tuple[str, str]]]) -> str:
    rows = []
    for group, choices in groups.items():
        place = posixpath.relpath(page_of(group), FOLDER)
        names = ", ".join(f"[{code(each.name)}]({place}#{each.name})" for each in choices)
        defaults = dict.fromkeys(inner for _, inner in choosers.get(group, []) if inner != "null")
        rows.append((f"[{code(group)}]({place})", ", ".join(map(code, defaults)), names))
    return f"{_INDEX_HEAD}{_table(('group', 'default', 'choices'), rows)}"


def _settings_page() -> str:
    file = CONF / "config.yaml"
    notes = yaml_notes(file)
    read = {each.key: each for each in read_choice("", file).settings}
    hints = SETTINGS | {f"data.cache.{name}": hint for name, hint in CACHE.items()}
    families: dict[str, list[Setting]] = {}
    for key, hint in hints.items():
        outer = key.rpartition(".")[0]
        default = read[key].default if key in read else _ABSENT
        setting = Setting(key, describe(hint), default, notes.get(key, ""))
        families.setdefault(outer, []).append(setting)
    sections = []
    for outer, settings in families.items():
        head = f"{_sentence(notes[outer])}\n\n" if notes.get(outer) else ""
        shown = [each for each in settings if each.default is not _ABSENT]
        sections.append(f"## {outer or 'The whole run'}\n\n{head}{_settings_table(shown)}" if shown else "")
    return _SETTINGS_HEAD + "\n".join(filter(None, sections))


_ABSENT = object()


def _verbs_page() -> str:
    sections = [f"## {name}\n\n```text\n{_help(name)}```\n" for name in VERBS]
    return _VERBS_HEAD + "\n".join(sections)


def _help(name: str) -> str:
    """What `python -m harness NAME --help` prints on a terminal of 100 columns."""
    text = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "100"}),
        contextlib.redirect_stdout(text),
        contextlib.suppress(SystemExit),
    ):
        verb(name, ["--help"])
    return text.getvalue()
