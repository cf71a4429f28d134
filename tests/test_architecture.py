"""The floors of the house, the homes of third parties, and the mirror of conf and code."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.config.instantiate import target
from harness.config.nodes import nodes

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "harness"
CONF = ROOT / "conf"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in FILES
}
YAMLS = sorted(CONF.rglob("*.yaml"))
each_choice = pytest.mark.parametrize(
    "file", [yaml for yaml in YAMLS if yaml.parent != CONF], ids=lambda file: str(file.relative_to(CONF))
)

ORDER: tuple[tuple[str, ...], ...] = (
    ("core", "loss"),
    ("runtime",),
    ("runs", "model", "split", "evaluate", "callbacks", "data.augment", "data.transform", "leakage"),
    ("config", "data.extract", "data.load", "checkpoint", "tracking", "console"),
    ("trainer", "bundle"),
    ("report", "deploy", "data.cache"),
    ("prepare", "compare"),
    ("record", "testing"),
    ("debug", "clean"),
    ("stages",),
    ("run",),
    ("sweep", "replay"),
    ("notebook",),
    ("api",),
    ("cli", "__main__", "__init__", "data"),
)
"""The packages of harness from bottom to top. A module imports its own package or an earlier line; packages
of one line do not import each other. `cli`, `__main__` and `__init__` are the entry points."""

ENTRY_POINTS = (("cli", "__main__"), ("__init__",))
"""The last line in order: `__main__` imports `cli`, and `__init__` names `api` only."""

SWEEP_ORDER: tuple[tuple[str, ...], ...] = (
    ("inside_trial",),
    ("space", "launch", "median", "patient", "lightning_report", "transformers_report"),
    ("study",),
    ("worker",),
    ("preflight", "report"),
    ("display",),
    ("control",),
    ("run_sweep", "program"),
)
"""The packages within `sweep`, by the same rule. `median` and `patient` lie outside `study` because stored
configurations name them; the first and the reports are what the code of a trial imports."""

ROOT_MODULES = {"__init__", "__main__", "run", "api"}

HOMES = {
    "hydra": (
        "__main__",
        "api",
        "cli",
        "config",
        "runtime",
        "prepare",
        "record",
        "stages",
        "replay",
        "sweep",
    ),
    "omegaconf": (
        *("__main__", "api", "cli", "config", "runtime", "runs", "prepare", "record", "stages", "debug"),
        *("run", "bundle", "replay", "sweep", "testing"),
    ),
    "optuna": ("sweep",),
    "pytest": ("testing",),
    "hypothesis": ("testing",),
    "mlflow": ("tracking", "bundle", "deploy", "cli"),
    "typeguard": ("config", "testing"),
    "pydantic": ("runtime", "cli.json_results", "cli.agent_tools"),
    "mcp": ("cli",),
    "rich": ("console", "sweep"),
    "plotly": ("report",),
    "jinja2": ("report",),
}
"""Which packages may import a third party; a third party that is not listed may be imported anywhere."""


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def imports(file: Path) -> tuple[str, ...]:
    """Every module that a file imports anywhere, those within functions as well."""
    return tuple(sorted(set(_imports(tree(file)))))


def _imports(whole: ast.AST) -> Iterator[str]:
    for node in ast.walk(whole):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from _named(node.args[0])
        elif isinstance(node, ast.List | ast.Tuple):  # a command: what follows `-m` is imported by a process
            for option, module in itertools.pairwise(node.elts):
                if isinstance(option, ast.Constant) and option.value == "-m":
                    yield from _named(module)


def _named(node: ast.expr) -> Iterator[str]:
    """The modules that a text means; those of a whole package where its last name is put in at run time."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        package = str(node.values[0].value)
        yield from (module for module in MODULES if package.endswith(".") and module.startswith(package))


def name(file: Path) -> str:
    """`trainer.best` for harness/trainer/best_epoch.py; empty for the package itself."""
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def lies_in(module: str, place: str) -> bool:
    return f"{module}.".startswith(f"{place}.")


@cache
def package(module: str) -> str:
    """The entry of ORDER that a module of harness belongs to, such as `data.load`."""
    places = sorted((place for line in ORDER for place in line), key=len, reverse=True)
    place = next((place for place in places if lies_in(module or "__init__", place)), None)
    assert place is not None, f"harness.{module} is in no package of ORDER; add it"
    return place


def line(place: str) -> int:
    return next(number for number, places in enumerate(ORDER) if place in places)


def own(file: Path) -> list[str]:
    """The modules of this package that a file imports, without its name."""
    return [name.removeprefix("harness").lstrip(".") for name in imports(file) if lies_in(name, "harness")]


def test_a_module_imports_its_own_package_or_an_earlier_line() -> None:
    wrong = []
    for file in FILES:
        here = package(name(file))
        for module in own(file):
            there = package(module)
            # `mcp` starts commands as processes: `python -m harness`.
            entry = (here, there) in {("__main__", "cli"), ("cli", "__init__")}
            if not (here == there or line(there) < line(here) or entry):
                wrong.append(f"{name(file) or '__init__'} imports {module or '__init__'}, not below {here}")
    assert not wrong, "\n".join(wrong)


def test_within_sweep_a_module_imports_its_own_package_or_an_earlier_line() -> None:
    def place(module: str) -> str:
        return module.split(".")[1]

    lines = {package: number for number, packages in enumerate(SWEEP_ORDER) for package in packages}
    files = [file for file in FILES if lies_in(name(file), "sweep") and name(file) != "sweep"]
    wrong = [
        f"{name(file)} imports {module}"
        for file in files
        for module in own(file)
        if module.startswith("sweep.") and place(module) != place(name(file))
        if lines[place(module)] >= lines[place(name(file))]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_root_holds_four_modules() -> None:
    assert {file.stem for file in PACKAGE.glob("*.py")} == ROOT_MODULES


def test_nothing_in_the_root_hides_a_module_of_the_standard_library() -> None:
    """`python harness/__main__.py` puts the package's folder first on the import path."""
    assert {path.stem for path in PACKAGE.iterdir()}.isdisjoint(sys.stdlib_module_names)


def test_only_files_of_choices_share_a_name() -> None:
    count = Counter(file.stem for file in FILES if not file.stem.startswith("__"))
    assert {stem for stem, times in count.items() if times > 1} == {"image", "none", "tabular"}


def test_words_of_the_old_dialect_are_gone() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *YAMLS]
    words = re.compile(r"\b(told|muster|bury|kindly)\b")
    assert not [file.name for file in (*FILES, *pages) if words.search(file.read_text(encoding="utf-8"))]


def test_no_import_leads_back_to_itself() -> None:
    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for found in imports(MODULES[module]):
                if found in MODULES:
                    visit(found, (*path, module))
            done.add(module)

    done: set[str] = set()
    for module in MODULES:
        visit(module, ())


def test_a_third_party_has_few_homes() -> None:
    wrong = []
    for file in FILES:
        for module in imports(file):
            homes = HOMES.get(module.partition(".")[0])
            if homes is not None and not any(lies_in(name(file), home) for home in homes):
                wrong.append(f"{name(file)} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_no_cycle_is_hidden() -> None:
    """`api` imports the classes that it returns with its first call; those for a type checker are counted."""
    assert [name(file) for file in FILES if "TYPE_CHECKING" in file.read_text()] == ["api"]
    assert "harness.notebook.run_view" in imports(PACKAGE / "api.py")


def test_no_file_or_function_is_long() -> None:
    long = [name(file) for file in FILES if file.read_text().count("\n") > 350]
    for file in FILES:
        functions = [node for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef)]
        long += [
            f"{name(file)}.{node.name}" for node in functions if (node.end_lineno or 0) - node.lineno >= 60
        ]
    assert not long, "\n".join(long)


def test_every_module_and_every_public_class_has_a_docstring() -> None:
    without = [name(file) for file in FILES if not ast.get_docstring(tree(file))]
    for file in FILES:
        for node in tree(file).body:
            public = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                without.append(f"{name(file)}.{node.name}")
    assert not without, "\n".join(without)


def test_no_room_is_a_catch_all() -> None:
    names = {part for file in FILES for part in file.relative_to(PACKAGE).with_suffix("").parts}
    assert not names & {"utils", "util", "helpers", "common", "base", "misc"}


def test_every_folder_of_choices_has_its_room() -> None:
    for folder in {yaml.parent.relative_to(CONF) for yaml in YAMLS} - {Path(".")}:
        inside = Path(*folder.parts[: 2 if folder.parts[0] == "data" else 1])
        room = PACKAGE / inside
        # An experiment is of all rooms; a launcher is chosen in Hydra's own group.
        roomless = folder.parts[0] in ("experiment", "hydra")
        found = room.is_dir() or room.with_suffix(".py").is_file() or roomless
        assert found, f"conf/{folder} has no room"


def test_a_yaml_begins_with_what_it_is_and_the_command_that_runs_it() -> None:
    wrong = []
    for file in YAMLS:
        lines = [line for line in file.read_text().splitlines() if "@package" not in line]
        if not (
            lines[0].startswith("# ") and len(lines[0]) > 10 and lines[1].startswith("# python -m harness")
        ):
            wrong.append(str(file.relative_to(CONF)))
    assert not wrong, "\n".join(wrong)


def content(file: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(file), resolve=False)


@each_choice
def test_a_target_is_in_the_package_of_its_group_or_in_a_library(file: Path) -> None:
    folder = file.relative_to(CONF).parent.parts
    room = ".".join(folder[:2] if folder[0] == "data" else folder[:1])
    for node in nodes(content(file)):
        place = str(node["_target_"])
        # A loss is mathematics alone, and stands on the ground floor.
        homes = (f"harness.{room}", "harness.loss") if room == "trainer" else (f"harness.{room}",)
        assert not place.startswith("harness.") or any(lies_in(place, home) for home in homes)
        assert callable(target(node, str(file)))


GIVEN_BY_THE_HARNESS = {"shape", "codes", "columns", "params", "optimizer", "total_steps"}
GIVEN_TO_A_HEAD = {"width", "outputs"}
GIVEN_WITH_PLUS = {"unpack", "head"}
"""Parts of a user's own in `trainer=supervised`: a key of the yaml would be a changed setting for every run
that was stored before it, and `resume` would refuse."""


@each_choice
def test_a_yaml_lists_every_argument_of_a_part_of_ours(file: Path) -> None:
    listed = content(file)
    for node in nodes(listed):
        if not str(node["_target_"]).startswith("harness."):
            continue
        made = target(node, str(file))
        # A class that passes keywords on to its parents takes what they take.
        ours = [cls for cls in made.__mro__ if cls.__module__.startswith("harness.")]
        makers = [vars(cls)["__init__"] for cls in ours if "__init__" in vars(cls)]
        wanted = {
            parameter.name
            for maker in makers
            for parameter in inspect.signature(maker).parameters.values()
            if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD
        }
        entries = [entry for entry in node.get("defaults", []) if isinstance(entry, dict)]
        # A group may fill another key than its own name: `/split@outer` fills `outer`.
        groups = {key.rpartition("@")[2] for entry in entries for key in entry if "_global_" not in key}
        given = {key for key in node if not key.startswith("_") and key != "defaults"} | groups
        unlisted = GIVEN_BY_THE_HARNESS if node.get("_partial_") else set()
        if made.__name__ == "SupervisedTrainer":
            unlisted = GIVEN_WITH_PLUS
        if file.parent.name == "head":
            unlisted = GIVEN_TO_A_HEAD
        assert given == wanted - unlisted
