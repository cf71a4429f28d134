"""Hydra's search path plugin for `harness.runtime.user_project`; Hydra looks for plugins only here."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class ProjectSearchPath(SearchPathPlugin):
    """The user's own `conf` stands behind ours, the folder of `--config-dir` before it.

    Another program finds the group `sweep`, behind its own groups, and nothing else of ours.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from harness.config.choice_files import CONFIG_DIR, config_dirs, folders, is_own

        if not is_own(entry.path for entry in search_path.get_path()):  # type: ignore[attr-defined]
            search_path.append("harness", "harness-sweep://")
            return
        given = config_dirs()
        for folder in folders()[1:]:
            if folder not in given:
                search_path.append("project", f"file://{folder}")
        for folder in given:
            search_path.prepend(CONFIG_DIR, f"file://{folder}")
