"""What type checkers see: `compose` and `run` are modules that can be called, see harness/shortcut.py."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, overload

from omegaconf import DictConfig

from harness.summary import Result

__version__: str

class _Compose(ModuleType):
    def __call__(self, overrides: Sequence[str] | str = ()) -> DictConfig: ...

class _Run(ModuleType):
    @overload
    def __call__(
        self, cfg: DictConfig, /, folder: Path | str | None = None, *values: Any, **more: Any
    ) -> Result: ...
    @overload
    def __call__(self, words: list[str], /, *, folder: Path | str | None = None, **more: Any) -> Result: ...
    @overload
    def __call__(self, *words: str, folder: Path | str | None = None, **more: Any) -> Result: ...

compose: _Compose
run: _Run
