"""The section on the environment: code, packages, machine, settings."""

from __future__ import annotations

import shlex

from harness.console.text_format import duration
from harness.report.html.page_parts import Block, Code, Details, Facts, Heading, Section
from harness.report.run_material import RunMaterial

_MACHINE = ("python", "platform", "cpus")


def environment(material: RunMaterial) -> Section:
    """As it was recorded when the run began and when it ended."""
    tags, result = material.logged.tags, material.result
    commit = tags.get("git.commit", "")
    if tags.get("git.dirty") == "true":
        commit += " and changes that were not committed (code.diff)"
    entries = {
        "commit": commit,
        "branch": tags.get("git.branch", ""),
        **{name: tags.get(name, "") for name in _MACHINE},
        "took": "" if result is None else duration(result.seconds),
        "seed": material.config.get("seed", ""),
        "MLflow run": material.logged.mlflow_id or "not tracked (yet)",
        "MLflow store": "" if result is None or result.mlflow is None else result.mlflow["tracking_uri"],
        "report by": "python -m harness report " + shlex.quote(material.logged.label),
    }
    blocks: list[Block] = [Facts(entries)]
    overrides = _overrides("" if result is None else result.command)
    if overrides:
        blocks += [Heading("Overrides on the command line"), Facts(overrides)]
    auto = {key.removeprefix("auto."): value for key, value in tags.items() if key.startswith("auto.")}
    if auto:
        blocks += [Heading("What auto chose"), Facts(auto)]
    if material.config:
        whole = material.logged.config_file.read_text(encoding="utf-8")
        blocks.append(Details("the whole configuration", [Code(whole)]))
    packages = material.logged.packages
    if packages:
        lines = "\n".join(f"{name}=={version}" for name, version in packages.items())
        blocks.append(Details(f"{len(packages)} packages", [Code(lines)]))
    return Section("Environment", "", blocks)


def _overrides(command: str) -> dict[str, str]:
    """The overrides of a command line: key -> value."""
    try:
        words = shlex.split(command)
    except ValueError:
        return {}
    pairs = (word.partition("=") for word in words if "=" in word and not word.startswith("--"))
    return {key: value for key, _, value in pairs}
