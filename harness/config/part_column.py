"""The column that `split=predefined` reads, where the configuration names none."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from harness.config.choice_files import choice
from harness.core.part_words import PART_WORDS, part_columns
from harness.core.table import Table

_COLUMN, _WORDS = "split.column", "split.words"


def choose_part_column(cfg: DictConfig, table: Table) -> dict[str, str]:
    """Sets `split.column`, and `split.words` where the column has other usual words (`val`, `Testing`).

    A column is chosen if it is the only one that names parts and a model does not see it, as the folders
    `train`, `valid` and `test` of `data/extract=image_folder`. Words are only replaced if none were given.

    Args:
        cfg: is changed.

    Returns: the settings that were chosen, by key, as texts.
    """
    if "column" not in cfg.split or "words" not in cfg.split:
        return {}  # each trial of a sweep comes here: the file is not looked for
    usual = choice("split", "predefined")
    if cfg.split.get("_target_") != usual["_target_"]:
        return {}
    made = {}
    columns = {name: words for name, words in part_columns(table).items() if name not in table.features}
    if cfg.split.column is None and len(columns) == 1:
        (cfg.split.column,) = columns
        made[_COLUMN] = str(cfg.split.column)
    words = columns.get(str(cfg.split.column), {})
    given = OmegaConf.to_container(cfg.split.words, resolve=True)
    if given == usual["words"] and not set(words) <= set(usual["words"].values()):
        named = {part: [word for word, its in words.items() if its == part] for part in PART_WORDS}
        cfg.split.words = named
        made[_WORDS] = (
            "{" + ", ".join(f"{part}: {' or '.join(its)}" for part, its in named.items() if its) + "}"
        )
    return made
