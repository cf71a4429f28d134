"""What a callback may add to a run: numbers in its curves, and files in its folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

FOLDER = "callbacks"
"""Below the run's folder: where the files of callbacks lie."""

WriteScalar = Callable[[str, str, float, int], None]
ListFile = Callable[[str, Path], None]

_OF_THE_RUN = ("train/", "valid/", "test/", "model/", "time/", "fold/")


class RunLog:
    """Adds numbers and files to the run that is at work, and with it to MLflow.

    One object serves a whole run; what it receives belongs to the fold that is training.

        def run_started(self, log):
            self.log = log

        def __call__(self, fold, progress):
            self.log.scalar("mine/steps", progress.step)
            self.log.file(b"...", "note.txt")

    Args:
        folder: of the run.
        write_scalar: takes the fold's key ("": the run itself), name, value and step.
        list_file: takes the fold's key, and the path of a file relative to the run's folder.
    """

    def __init__(self, folder: Path, write_scalar: WriteScalar, list_file: ListFile) -> None:
        self.folder = folder
        self.key, self.step = "", 0
        self._write_scalar, self._list_file = write_scalar, list_file

    def scalar(self, name: str, value: float, step: int | None = None) -> None:
        """One point of the curve `name`.

        Args:
            name: such as `mine/steps`; the prefixes of the run's own scores are refused.
            value: a number; NaN and infinity are kept as they are.
            step: None: the epoch that ended last.

        Raises:
            ValueError: the name is empty or belongs to the run's own scores, or `value` is no number.
        """
        if not name.strip() or name.startswith(_OF_THE_RUN):
            raise ValueError(f"a scalar needs a name without {', '.join(_OF_THE_RUN)}, got {name!r}")
        self._write_scalar(self.key, name, float(value), self.step if step is None else int(step))

    def file(self, source: str | Path | bytes, name: str | None = None) -> Path:
        """Puts a file into `<run>/callbacks/`, and into MLflow; another of the same name replaces it.

        Args:
            source: the path of a file, which is copied, or the content.
            name: of the file, with `/` for a folder within; None: that of the source.

        Raises:
            ValueError: there is no name, or it leads out of the folder.
            OSError: the source cannot be read, or the disk is full.
        """
        if name is None and isinstance(source, bytes):
            raise ValueError("the content of a file needs a name: log.file(content, 'name.txt')")
        own = PurePosixPath(name if name is not None else Path(str(source)).name)
        if own.is_absolute() or ".." in own.parts or not own.parts:
            raise ValueError(f"the name of a file must stay within the run's folder, got {str(own)!r}")
        relative = Path(self.key, FOLDER, *own.parts)
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            path.write_bytes(source)
        else:
            shutil.copyfile(source, path)
        self._list_file(self.key, relative)
        return path
