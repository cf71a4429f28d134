"""JSON Schemas of the yaml files of all groups, so that an editor completes and checks them.

They are made of what the command line checks a configuration by: the signatures of the parts, the table of
settings and the folders of choices. What a schema cannot know is admitted: a class that no yaml file names
yet takes any argument. Ranges, and what only the rows tell, are checked by `python -m harness check`.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from harness.config.choice_files import CONF, all_groups, yamls
from harness.config.instantiate import parameters_of, target
from harness.config.known_settings import CACHE, PARTS, SETTINGS, SWEEPERS
from harness.config.setting_notes import argument_notes, yaml_notes
from harness.config.type_schema import PART, REFERENCE, any_of, type_schema
from harness.core.errors import UserError
from harness.core.scores import Direction
from harness.runtime.config_nodes import load_config

_DRAFT = "http://json-schema.org/draft-07/schema#"
_WHOLE = "config"
_CHOICES = "choices"
_PACKAGE = re.compile(r"#\s*@package\s+(\S+)")
_INHERITED = "_self_"

_Read = tuple[Path, dict[str, Any]]
"""A yaml file and its plain content."""

_BESIDE: dict[str, dict[str, Any]] = {
    "callbacks": {"on_error": Literal["warn", "fail"]},
    "evaluate/metrics": {"direction": Direction},
}
"""Keys of a part that are no arguments of its class, by group."""


def all_schemas() -> dict[str, dict[str, Any]]:
    """The schema of each group by the name of its file, of `config.yaml`, and of the choices they refer to.

    Raises:
        UserError: as `harness.config.choice_files.folders`.
    """
    groups = {name: _Group.read(name) for name in all_groups()}
    schemas = {schema_file(name): _group_schema(group, groups) for name, group in groups.items()}
    schemas[schema_file(_WHOLE)] = _config_schema(groups)
    schemas[schema_file(_CHOICES)] = _choices_schema(groups)
    return {name: {"$schema": _DRAFT, **schema} for name, schema in schemas.items()}


def schema_file(group: str) -> str:
    """The file of a group's schema, such as `trainer.optimizer.schema.json`; `config`: of all settings."""
    return f"{group.replace('/', '.')}.schema.json"


@dataclass
class _Group:
    """What the yaml files of a group say.

    name      such as `trainer/optimizer`
    title     the description of each choice
    packages  the keys that its files fill: its own, and those that a `@package` line names
    files     the files that name each target, by target, with their content
    inherits  entries of their defaults that are the name of another choice, which need not be ours
    """

    name: str
    title: dict[str, str]
    packages: set[str] = field(default_factory=set)
    files: dict[str, list[_Read]] = field(default_factory=dict)
    inherits: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, name: str) -> _Group:
        group = cls(name, {})
        for choice, file in yamls(name).items():
            head = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
            words = [line.lstrip("# ") for line in head if not _PACKAGE.match(line)]
            group.title[choice] = words[0] if words else ""
            group.packages |= {match[1] for match in map(_PACKAGE.match, head) if match}
            content: Any = OmegaConf.to_container(load_config(file), resolve=False)
            if not isinstance(content, dict):
                continue
            group.inherits |= {entry for entry in content.get("defaults") or () if isinstance(entry, str)}
            if isinstance(content.get("_target_"), str):
                group.files.setdefault(content["_target_"], []).append((file, content))
        return group

    @property
    def key(self) -> str:
        """The key that a choice fills, such as `trainer.optimizer`."""
        return self.name.replace("/", ".")


def _group_schema(group: _Group, groups: Mapping[str, _Group]) -> dict[str, Any]:
    """Of a file of the group, and of its key within a larger file."""
    parts = {name: _part_schema(name, files, group, groups) for name, files in group.files.items()}
    ours = {"anyOf": [{"enum": list(parts)}, {"type": "string", "not": {"pattern": r"^harness\."}}]}
    defaults = _defaults_schema(group, groups)
    cases = [
        {"if": {"properties": {"_target_": {"const": name}}}, "then": {"$ref": f"#/definitions/{name}"}}
        for name in parts
    ]
    settings = _settings_schema(group, list(parts.values()), groups)
    return {
        "title": group.name,
        "type": "object",
        "properties": {"defaults": defaults, **({"_target_": ours} if parts else {})},
        "if": {"required": ["_target_"]},
        **({"then": {"allOf": cases}} if cases else {}),
        "else": settings,
        "definitions": parts,
    }


def _part_schema(
    name: str, files: list[_Read], group: _Group, groups: Mapping[str, _Group]
) -> dict[str, Any]:
    """The arguments of one target; any, where its signature cannot be read or its library is missing."""
    try:
        function = target({"_target_": name}, group.key)
    except UserError:
        return {}
    parameters = parameters_of(function)
    if parameters is None:
        return {}
    notes = argument_notes(function) | yaml_notes(files[0][0])
    content = files[0][1] if len(files) == 1 else {}
    properties: dict[str, Any] = {}
    for argument, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        schema = type_schema(parameter.annotation, _inner(group, argument, groups))
        default = content.get(argument, parameter.default)
        properties[argument] = schema | _described(notes.get(argument), default)
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return {
        "description": _first_line(function),
        "properties": {**_NODE, **properties, **_beside(group, groups)},
        "additionalProperties": open_ended,
    }


_NODE: dict[str, Any] = {
    "defaults": {},
    "_target_": {"type": "string"},
    "_partial_": {"type": "boolean"},
    "_recursive_": {"type": "boolean"},
    "_convert_": {"enum": ["none", "partial", "object", "all"]},
    "_args_": {"type": "array"},
}
"""Keys of Hydra's own in a part."""


def _inner(group: _Group, argument: str, groups: Mapping[str, _Group]) -> dict[str, Any]:
    """The schema of an argument that is a part: that of its group, if it has one."""
    name = f"{group.name}/{argument}"
    return {"$ref": schema_file(name)} if name in groups else PART


def _described(note: str | None, default: Any = ...) -> dict[str, Any]:
    """What an editor shows of a setting; `...`: it has no default."""
    found: dict[str, Any] = {"description": note} if note else {}
    plain = isinstance(default, bool | int | float | str | list) or default is None
    refers = isinstance(default, str) and "${" in default
    if plain and not refers and not (isinstance(default, float) and not math.isfinite(default)):
        found["default"] = default
    return found


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


@cache  # of a file that does not change
def _config_notes() -> dict[str, str]:
    return yaml_notes(CONF / "config.yaml")


def _beside(group: _Group, groups: Mapping[str, _Group]) -> dict[str, Any]:
    """The settings at the group's key that are no arguments of its parts, such as `split.guard`, by name."""
    notes = _config_notes()
    prefix = f"{group.key}."
    inside = {key.removeprefix(prefix): hint for key, hint in SETTINGS.items() if key.startswith(prefix)}
    inside |= _BESIDE.get(group.name, {})
    return {
        name: type_schema(hint, _inner(group, name, groups)) | _described(notes.get(prefix + name))
        for name, hint in inside.items()
    }


def _settings_schema(
    group: _Group, parts: list[dict[str, Any]], groups: Mapping[str, _Group]
) -> dict[str, Any]:
    """Of a file without a `_target_`: settings of whichever part is chosen."""
    if "_global_" in group.packages:
        return {"$ref": schema_file(_WHOLE)}
    fills = {name for name, other in groups.items() if other.key in group.packages}
    outer = group.name.rpartition("/")[0]
    if not parts and outer in groups and not fills:
        fills = {outer}
    if (
        {} in parts
        or any(part["additionalProperties"] for part in parts)
        or group.inherits
        - {
            _INHERITED,
            *group.title,
        }
    ):
        return {}
    named = [part["properties"] for part in parts]
    names = dict.fromkeys(name for properties in named for name in properties if name not in _NODE)
    union = {name: _merged([one[name] for one in named if name in one]) for name in names}
    if group.name == "sweep":
        union |= {
            name: any_of([{"$ref": schema_file(f"sweep/{name}")}, {"type": "null"}]) for name in SWEEPERS
        }
    own = {
        "properties": {"_auto_": {"const": True}, **_NODE, **union, **_beside(group, groups)},
        "additionalProperties": False,
    }
    others = [{"$ref": schema_file(name)} for name in sorted(fills)]
    return {"anyOf": [own, *others]} if others else own


def _merged(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """One schema for an argument that several parts have."""
    notes = {name: value for name, value in schemas[0].items() if name == "description"}
    types = [
        {name: value for name, value in schema.items() if name not in ("description", "default")}
        for schema in schemas
    ]
    distinct = [schema for number, schema in enumerate(types) if schema not in types[:number]]
    return (distinct[0] if len(distinct) == 1 else {} if {} in distinct else {"anyOf": distinct}) | notes


def _config_schema(groups: Mapping[str, _Group]) -> dict[str, Any]:
    """Of config.yaml, of an experiment, and of any other file with `# @package _global_`."""
    notes = _config_notes()
    tree: dict[str, Any] = {"properties": {}}

    def put(key: str, schema: dict[str, Any]) -> None:
        node = tree
        *path, last = key.split(".")
        for name in path:
            node = node["properties"].setdefault(
                name, {"type": "object", "properties": {}, "additionalProperties": False}
            )
        if "properties" in node:  # else the schema of a group, which holds it
            node["properties"][last] = schema

    for key in (*PARTS, "sweep"):
        put(key, {"anyOf": [{"$ref": schema_file(key.replace(".", "/"))}, REFERENCE]})
    for key, hint in SETTINGS.items():
        put(key, type_schema(hint) | _described(notes.get(key)))
    cache = {
        name: type_schema(hint) | _described(notes.get(f"data.cache.{name}")) for name, hint in CACHE.items()
    }
    whole = {"type": "object", "properties": cache, "additionalProperties": False}
    put("data.cache", {"anyOf": [{"enum": ["off", False]}, whole]} | _described(notes.get("data.cache")))
    for key in ("debug", "hydra"):
        put(key, {"type": ["object", "null"]})
    put("callbacks", {"type": "object", "additionalProperties": {"type": ["object", "string"]}})
    tree["properties"]["defaults"] = _defaults_schema(None, groups)
    return {"title": "configuration", "type": "object", **tree, "additionalProperties": False}


def _choices_schema(groups: Mapping[str, _Group]) -> dict[str, Any]:
    """The names of the choices of each group, and the entries of a defaults list that name a group."""
    definitions: dict[str, Any] = {}
    for group in groups.values():
        one = {"enum": list(group.title), "enumDescriptions": list(group.title.values())}
        none = {"type": "null"}
        definitions[group.key] = {"anyOf": [one, none, {"type": "array", "items": one}, REFERENCE]}
    absolute = {
        f"{word}/{name}": {"$ref": f"#/definitions/{group.key}"}
        for name, group in groups.items()
        for word in ("", "override ")
    }
    return {"definitions": {**definitions, "absolute": _entry(absolute, groups, "/")}}


def _entry(properties: dict[str, Any], groups: Mapping[str, _Group], root: str) -> dict[str, Any]:
    """An entry `GROUP: CHOICE` of a defaults list; `GROUP@KEY` fills another key."""
    here = {
        rf"^(optional |override )*{re.escape(name)}@.+$": schema
        for name, schema in properties.items()
        if not name.startswith("override ")
    }
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {**here, rf"^(optional |override )*{root}hydra/": {}},
        "additionalProperties": False,
    }


def _defaults_schema(group: _Group | None, groups: Mapping[str, _Group]) -> dict[str, Any]:
    """The list `defaults` of a file of a group; None: of config.yaml."""
    prefix = "" if group is None else f"{group.name}/"
    inner = {name.removeprefix(prefix): other for name, other in groups.items() if name.startswith(prefix)}
    properties = {
        f"{word}{name}": {"$ref": f"{schema_file(_CHOICES)}#/definitions/{other.key}"}
        for name, other in inner.items()
        for word in ("", "override ")
    }
    names = {_INHERITED, *(group.title if group else ()), *(group.inherits if group else ())}
    absolute = {"$ref": f"{schema_file(_CHOICES)}#/definitions/absolute"}
    forms = [{"enum": sorted(names)}, _entry(properties, groups, ""), absolute]
    return {"type": "array", "items": {"anyOf": forms}}
