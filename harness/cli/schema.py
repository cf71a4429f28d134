"""`python -m harness schema`: JSON Schemas of all groups, so that an editor completes and checks yaml."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from harness.cli.json_results import SchemaResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.config.choice_files import all_groups, config_dir, folders
from harness.core.errors import UserError
from harness.core.user_path import user_path
from harness.runtime.atomic_file import replace_folder

FOLDER = ".harness/schema"
EDITOR_FILE = "vscode-settings.json"
_WHOLE = "config"


def main(words: list[str]) -> Outcome:
    """Writes the folder, whole or not at all, and prints what an editor needs.

    Raises:
        UserError: the folder holds other files, or a yaml file of the project cannot be read.
    """
    parser = Parser(
        "schema", "Write JSON Schemas of all groups, so that an editor completes and checks yaml."
    )
    parser.add_argument(
        "--into", default=FOLDER, metavar="FOLDER", help="write them here (default: %(default)s)"
    )
    parser.add_argument("--config-dir", metavar="FOLDER", help="one more folder of yaml files, as for a run")
    options = parser.parse_args(words)
    folder = user_path(options.into)
    _check_place(folder)
    from harness.config.group_schema import all_schemas, schema_file
    from harness.config.unread_settings import explaining_yaml

    with config_dir(options.config_dir), explaining_yaml():
        schemas = all_schemas()
        files = {group: folder / schema_file(group) for group in [*all_groups(), _WHOLE]}
        settings = _editor_settings(files)
    with replace_folder(folder) as draft:
        for name, content in {**schemas, EDITOR_FILE: settings}.items():
            text = json.dumps(content, indent=2, ensure_ascii=False)
            (draft / name).write_text(f"{text}\n", encoding="utf-8")
    above = os.path.relpath(files["model"], _roots()[0] / "model")
    print(f"{folder} has a schema for the yaml files of each of {len(files) - 1} groups, and of config.yaml.")
    print(f"VS Code with the YAML extension: copy {folder / EDITOR_FILE} into .vscode/settings.json.")
    print("Other editors with yaml-language-server: a line at the top of a file, such as of a model")
    print(f"# yaml-language-server: $schema={above}")
    result: SchemaResult = {
        "folder": str(folder.absolute()),
        "files": {group: str(file.absolute()) for group, file in files.items()},
    }
    return Outcome(result)


def _check_place(folder: Path) -> None:
    """Refuses a folder with files that are not ours, because it is replaced."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--into={folder} is no folder", "name a new or empty folder", key="--into")
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    others = [file for file in inside if not (file.match("*.schema.json") or file.name == EDITOR_FILE)]
    if others:
        rule = f"--into={folder} has other files, such as {others[0].name}, and would be replaced"
        raise UserError(rule, "name a new or empty folder", key="--into", value=str(folder))


def _roots() -> list[Path]:
    """The folders of yaml files below the current one; `conf` if there is none yet."""
    here = Path.cwd()
    return [folder for folder in folders() if folder.is_relative_to(here)] or [here / "conf"]


def _editor_settings(files: dict[str, Path]) -> dict[str, Any]:
    """The settings of VS Code's YAML extension: which schema checks which files.

    Hydra reads yaml 1.1, in which `1_000` is a number.
    """
    roots = [os.path.relpath(folder) for folder in _roots()]
    patterns = {
        f"./{os.path.relpath(file)}": [
            f"{root}/{'' if group == _WHOLE else f'{group}/'}*.yaml" for root in roots
        ]
        for group, file in files.items()
    }
    return {"yaml.yamlVersion": "1.1", "yaml.schemas": patterns}
