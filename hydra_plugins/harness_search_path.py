"""Hydra's search path plugin for `harness.runtime.user_project`; Hydra looks for plugins only here."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class ProjectSearchPath(SearchPathPlugin):
    """The user's own `conf` stands behind ours, the folder of `--config-dir` before it.

    Another program's search path is left alone.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from harness.config.choice_files import CONF, CONFIG_DIR, config_dirs, folders

        places = {entry.path for entry in search_path.get_path()}  # type: ignore[attr-defined]
        if f"file://{CONF}" in places or str(CONF) in places:
            given = config_dirs()
            for folder in folders()[1:]:
                if folder not in given:
                    search_path.append("project", f"file://{folder}")
            for folder in given:
                search_path.prepend(CONFIG_DIR, f"file://{folder}")
