"""Hydra's door to `harness.project`: Hydra finds what extends its search path in this namespace only."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class ProjectSearchPath(SearchPathPlugin):
    """The user's own `conf` stands behind ours; another program's search path is left alone."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from harness.compose import CONF, folders

        places = {entry.path for entry in search_path.get_path()}  # type: ignore[attr-defined]
        if f"file://{CONF}" in places or str(CONF) in places:
            for folder in folders()[1:]:
                search_path.append("project", f"file://{folder}")
