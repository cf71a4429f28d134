"""Page: the sections of a run as one HTML file with everything in it."""

from __future__ import annotations

from pathlib import Path

from harness.core.table import Table
from harness.report.class_section import classes
from harness.report.data_section import data
from harness.report.embedding_section import embedding
from harness.report.environment_section import environment
from harness.report.headline_section import head
from harness.report.html_markup import Section, escaped
from harness.report.label_section import labels
from harness.report.number_section import numbers
from harness.report.page_style import CSS, SCRIPT
from harness.report.run_material import Material
from harness.report.score_section import scores
from harness.report.threshold_section import two
from harness.report.training_section import training
from harness.report.worst_section import worst
from harness.runs.run_result import write_text
from harness.runs.stored_run import Logged

REPORT = "report.html"

_SECTIONS = (scores, classes, two, labels, numbers, worst, training, embedding, data, environment)
"""In the order of the page; each leaves itself out by None where the run has nothing for it."""


def write(path: Path, logged: Logged, table: Table | None, absent: str = "", thorough: bool = False) -> None:
    """The page of a run, or of one of its folds; the file appears whole or stays as it was.

    Args:
        path: of the file.
        logged: the run; what its folder holds is read, and trusted to be free of secrets.
        table: its rows as they were extracted; None: without pictures and raw rows.
        absent: why there is no table, a sentence for the reader.
        thorough: whether what takes long may be done.

    Raises:
        OSError: the file cannot be written.
        UserError: the run never began.
    """
    write_text(path, page(Material(logged, table, absent, thorough)))


def page(material: Material) -> str:
    """The whole file. No address outside it is loaded, and none of its texts can be taken for markup."""
    parts = [section for make in _SECTIONS if (section := make(material)) is not None]
    body = "\n".join(map(_section, parts))
    name = escaped(material.logged.name)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{name}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f"{head(material)}\n<main>\n{body}\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    told = f"<p>{escaped(section.told)}</p>" if section.told else ""
    return f"<section><h2>{escaped(section.title)}</h2>{told}{section.body}</section>"
