"""`python -m harness ls [GROUP]`: lists the groups, or the choices of a group with a description."""

from __future__ import annotations

from pathlib import Path

from harness.cli.json_results import LsResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.config.choice_files import all_groups, config_dir, yamls
from harness.core.errors import UserError
from harness.core.near_names import near


def main(words: list[str]) -> Outcome:
    """Prints to standard output.

    Raises:
        UserError: there is no such group.
    """
    parser = Parser("ls", "List the groups, or the choices of one group.")
    parser.add_argument("group", nargs="?", help="a group, such as model or data/extract")
    parser.add_argument("--config-dir", metavar="FOLDER", help="one more folder of yaml files, as for a run")
    options = parser.parse_args(words)
    with config_dir(options.config_dir):
        found = _list(options.group)
    return Outcome(found)


def _list(group: str | None) -> LsResult:
    names = groups()
    if group is None:
        width = max(map(len, names))
        for name, choices in names.items():
            print(f"{name:<{width}}  {', '.join(choices)}")
        return {"groups": names, "descriptions": {}}
    name = group.strip("/").replace(".", "/")
    if name in ("run", "runs", "sweeps"):
        raise UserError(f"ls lists choices, not {name}", "`python -m harness compare` lists runs", value=name)
    if name not in names:
        raise UserError(f"there is no group {group!r}", near(name, names))
    width, files = max(map(len, names[name])), yamls(name)
    descriptions = {choice: description(files[choice]) for choice in names[name]}
    for choice, text in descriptions.items():
        print(f"{choice:<{width}}  {text}")
    return {"groups": {name: names[name]}, "descriptions": descriptions}


def groups() -> dict[str, list[str]]:
    """Every group by name, with the names of its choices."""
    return {name: list(yamls(name)) for name in all_groups()}


def description(file: Path) -> str:
    """Returns the first comment of a yaml file, its description; a `@package` line is skipped."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ")
    return ""
