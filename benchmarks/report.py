"""Report: comparisons as tables for people and as numbers for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.measure import Comparison, spread

PACKAGES = (
    "torch",
    "hydra-core",
    "mlflow",
    "optuna",
    "scikit-learn",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "lightning",
)


def circumstances(command: str) -> dict[str, Any]:
    """When, on what and with what the numbers came about."""
    return {
        "command": command,
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": _system(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "packages": dict(_packages()),
    }


def table(comparison: Comparison) -> str:
    """Markdown: per contender its median cost, the quartiles, and the ratio to the reference."""
    rounds = len(comparison.costs[comparison.reference])
    lines = [
        f"### {comparison.work}",
        "",
        f"| {comparison.unit}, {rounds} rounds | median | quartiles | × {comparison.reference} | quartiles |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, costs in comparison.costs.items():
        cost, ratio = spread(costs), comparison.ratio(name)
        cells = [name, number(cost.median), f"{number(cost.low)} – {number(cost.high)}"]
        if name == comparison.reference:
            cells += ["1", ""]
        else:
            cells += [f"{ratio.median:.2f}", f"{ratio.low:.2f} – {ratio.high:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    reached = comparison.ratio(comparison.ours).median
    verdict = "reached" if reached <= comparison.aim else "missed"
    lines += ["", f"Aim: {comparison.ours} at most {comparison.aim} × {comparison.reference}; {verdict}."]
    return "\n".join([*lines, "", *comparison.notes])


def number(cost: float) -> str:
    """Three digits, as many as the noise leaves true."""
    return f"{cost:.0f}" if cost >= 100 else f"{cost:.3g}"


def page(
    comparisons: Sequence[Comparison], facts: dict[str, Any], absent: Mapping[str, str] | None = None
) -> str:
    """The whole of results.md; `absent` says of a script why it has no table."""
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"`{facts['command']}` on {facts['date']}: {facts['processor']}, {facts['cores']} cores, "
            f"{facts['system']}, Python {facts['python']}, {packages}. Load of the machine beforehand: "
            f"{facts['load'][0]}.",
            "",
            "The contenders take turns, one thread each. A ratio is the median over the rounds of the ratio "
            "within a round, which a change of the machine's pace leaves alone.",
            "",
            *(f"{table(comparison)}\n" for comparison in comparisons),
            *(f"`{script}` {reason}\n" for script, reason in (absent or {}).items()),
        ]
    )


def store(
    comparisons: Sequence[Comparison],
    facts: dict[str, Any],
    folder: Path,
    absent: Mapping[str, str] | None = None,
    name: str = "results",
) -> None:
    """Writes `<name>.md`, and `<name>.json` with the cost of every round."""
    (folder / f"{name}.md").write_text(page(comparisons, facts, absent), encoding="utf-8")
    measured = [asdict(comparison) for comparison in comparisons]
    everything = {**facts, "absent": dict(absent or {}), "comparisons": measured}
    text = json.dumps(everything, indent=1, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def store_text(page: Path, title: str, command: str, about: str | None, text: str) -> None:
    """Writes the page of a benchmark that counts something else than time: what it is about, and its tables.

    Args:
        about: the docstring of the script.
    """
    facts = circumstances(command)
    where = ", ".join(str(facts[name]) for name in ("date", "processor", "python"))
    content = f"# {title}\n\n`{command}`: {where}\n\n{(about or '').strip()}\n\n{text}\n"
    page.write_text(content, encoding="utf-8")


def _packages() -> Iterator[tuple[str, str]]:
    """Those that are installed: Lightning need not be where `step` is not run."""
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform(terse=True)


def _processor() -> str:
    """Its name as Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
