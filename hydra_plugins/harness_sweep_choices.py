"""The source of configuration from which other Hydra programs take `sweep` and `hydra/launcher`."""

from typing import List, Optional  # noqa: UP035  # the signatures of Hydra's class

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource


class SweepChoices(ConfigSource):
    """Serves `harness-sweep://`; see `harness.sweep.program.program_choices`."""

    @staticmethod
    def scheme() -> str:
        return "harness-sweep"

    def load_config(self, config_path: str) -> ConfigResult:
        from harness.sweep.program.program_choices import content, offered

        path = config_path.removesuffix(".yaml")
        if offered(path) is None:
            raise ConfigLoadError(f"Config not found : {config_path}")
        node, text = content(path)
        header = self._get_header_dict(text)
        return ConfigResult(self.provider, f"{self.scheme()}://{self.path}", node, header)

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        from harness.sweep.program.program_choices import is_offered_group

        return is_offered_group(config_path)

    def is_config(self, config_path: str) -> bool:
        from harness.sweep.program.program_choices import offered

        return offered(config_path.removesuffix(".yaml")) is not None

    def list(self, config_path: str, results_filter: Optional[ObjectType]) -> List[str]:  # noqa: UP006, UP045
        from harness.sweep.program.program_choices import inside

        groups, choices = inside(config_path)
        wanted = [*(groups if results_filter in (None, ObjectType.GROUP) else ())]
        wanted += choices if results_filter in (None, ObjectType.CONFIG) else ()
        return sorted({*wanted})
