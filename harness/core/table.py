"""A table of samples: its rows and the role of each column."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from harness.core.errors import UnknownName, UserError
from harness.core.frame_hash import row_hashes
from harness.core.task import Task

DatePart = Literal["elapsed", "year", "month", "day_of_week", "hour"]
"""A number made of a date: days since the first one, or a part of the calendar and the clock."""

Kind = Literal["table", "image", "sequence"]
Aim = Literal["auto", "classification", "regression"]

ClassName = str | int | float | bool
"""A class as a user writes it in yaml, such as `yes`, `1` or `true`."""

MOST_CLASSES = 20
"""A column of whole numbers with more distinct values than this is read as a number to predict."""

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Table:
    """One row per sample.

    frame     a DataFrame with index 0 … N-1; a row is named by its position everywhere
    features  the columns that a model may see, in order; none where the features are `array`
    target    the columns to predict; empty: no labels. A missing target is an unlabelled row
    group     the column whose rows belong together (patient, writer), or None
    id        the column that names a row for the user, or None
    kind      "table": a row of features; "image" and "sequence": see below
    shape     (C, H, W) of an image made of pixel columns, else None
    name      what the data set is called on the screen and in MLflow
    source    where it came from, without credentials
    aim       whether the target is a class or a number; "auto" reads it off the column
    positive  of two classes the positive one, as its name or value; None: the last one in order
    time      the column that says when a row was taken, or None
    array     (N, …) the features as one array beside the frame, often memory-mapped, or None:
              (N, F) of a table, (N, C, H, W) of images, (N, T, F) of sequences
    files     the column whose files a transform has decoded to `array`, or None
    contents  a digest of what is in the files that the rows name, part of `digest`; empty where none
              has read them all
    time_parts  what the features hold of `time`, where it is one of them; empty: as of other dates
    events    of a sequence, the long table whose rows `spans` joins to samples, or None

    An image is a row of pixel columns (`shape` says how many), an entry of `array`, or a single
    feature that holds a file's path (text) or an encoded file (bytes).

    A sequence comes as a long table of events, one per row, which share an `id`. A transform that
    arranges them makes a table with one row per sample: `events` is then sorted, sample i is
    `events[spans[i, 0]:spans[i, 1]]`, and `features` are columns of `events`.
    """

    frame: pd.DataFrame
    features: tuple[str, ...]
    target: tuple[str, ...] = ()
    group: str | None = None
    id: str | None = None
    kind: Kind = "table"
    shape: tuple[int, int, int] | None = None
    name: str = "table"
    source: str = ""
    aim: Aim = "auto"
    time: str | None = None
    array: np.ndarray | None = None
    files: str | None = None
    contents: str = ""
    events: pd.DataFrame | None = None
    spans: np.ndarray | None = None
    positive: ClassName | None = None
    time_parts: tuple[DatePart, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.frame):
            raise UserError(f"data set {self.name} has no rows", "give a file or query that returns some")
        roles = {"target": self.target, "group": (self.group,), "id": (self.id,), "time": (self.time,)}
        self._require(self.frame, roles)
        self._require(self.frame if self.events is None else self.events, {"features": self.features})

    def _require(self, frame: pd.DataFrame, roles: dict[str, tuple[str | None, ...]]) -> None:
        for role, columns in roles.items():
            for column in columns:
                if column is not None and column not in frame.columns:
                    known = [str(c) for c in frame.columns]
                    raise UnknownName(
                        f"data.extract.{role} names the column {column!r}, which {self.name} does not have",
                        column,
                        known,
                        key=f"data.extract.{role}",
                    )

    def with_frame(self, frame: pd.DataFrame) -> Table:
        """The same roles over other values, one row for each row."""
        return replace(self, frame=frame)

    def with_features(
        self, frame: pd.DataFrame, features: tuple[str, ...], shape: tuple[int, int, int] | None
    ) -> Table:
        """Other columns as features; `shape` as in `Table`."""
        return replace(self, frame=frame, features=features, shape=shape)

    def with_array(self, array: np.ndarray) -> Table:
        """The files that the one feature names, decoded to `array`, (N, C, H, W)."""
        return replace(self, features=(), array=array, files=self.features[0])

    def with_values(self, array: np.ndarray) -> Table:
        """Other features beside the frame, an array of the same shape."""
        return replace(self, array=array)

    def with_contents(self, contents: str) -> Table:
        """With a digest of the content of the files that the rows name."""
        return replace(self, contents=contents)

    def with_events(
        self, frame: pd.DataFrame, events: pd.DataFrame, spans: np.ndarray, group: str | None
    ) -> Table:
        """One row per sequence: row i of `frame` describes `events[spans[i, 0]:spans[i, 1]]`."""
        return replace(self, frame=frame, events=events, spans=spans, group=group)

    def with_rows(self, rows: np.ndarray, *, arrays: bool = True) -> Table:
        """These rows alone; row i of the result is `rows[i]`.

        The task stays that of all rows, also where the chosen rows lack a class.

        Args:
            rows: (n,) int64.
            arrays: False leaves out the features that are not in the frame, which may be larger than memory.
        """
        frame = self.frame.iloc[rows].reset_index(drop=True)
        if arrays:
            array = None if self.array is None else self.array[rows]
            spans = None if self.spans is None else self.spans[rows]
            part = replace(self, frame=frame, array=array, spans=spans)
        else:
            features = tuple(name for name in self.features if name in frame.columns)
            part = replace(self, frame=frame, features=features, array=None, events=None, spans=None)
        return part._knowing(task=self.task)

    def with_hidden_target(self, rows: np.ndarray) -> Table:
        """The targets of `rows`, (n,) int64, missing; the task stays that of all rows.

        The digest is made of this table's digest and the rows, so that the frame is not read again.
        """
        rows = rows[self.labelled[rows]] if len(rows) else rows
        if not len(rows):
            return self
        hidden = np.zeros(len(self), dtype=bool)
        hidden[rows] = True
        frame = self.frame.copy(deep=False)
        for column in self.target:
            frame[column] = frame[column].mask(hidden)
        digest = hashlib.sha256(self.digest.encode() + rows.tobytes()).hexdigest()
        return replace(self, frame=frame)._knowing(task=self.task, digest=digest)

    def with_task(self, task: Task) -> Table:
        """With a task that is known from elsewhere, such as a trained model: these rows may lack a class."""
        known = {"digest": self.digest} if "digest" in vars(self) else {}
        return replace(self)._knowing(task=task, **known)

    def with_digest(self, digest: str) -> Table:
        """With a digest that was computed when these rows were stored."""
        return replace(self)._knowing(digest=digest)

    def without_target(self) -> Table:
        return replace(self, target=())

    def _knowing(self, **values: Any) -> Table:
        """Sets cached properties of a table that was just made."""
        vars(self).update(values)
        return self

    @property
    def names_files(self) -> bool:
        """Whether the only feature of an image is the path of its file."""
        if self.kind != "image" or self.array is not None or len(self.features) != 1:
            return False
        return isinstance(self.frame[self.features[0]].iloc[0], str)

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types of all columns, which the digest does not include: 0 and 1 equal false and true there."""
        frames = [frame for frame in (self.frame, self.events) if frame is not None]
        return tuple(repr(dtype) for frame in frames for dtype in frame.dtypes)

    @property
    def labels(self) -> pd.Series:
        """The target column, or the first of several; missing where a row is unlabelled."""
        if not self.target:
            raise UserError(
                f"data set {self.name} has no target column, and this needs one",
                "name it with data.extract.target=COLUMN",
                key="data.extract.target",
            )
        return self.frame[self.target[0]]

    @property
    def labelled(self) -> np.ndarray:
        """(N,) bool: the rows whose target is known."""
        if not self.target:
            return np.zeros(len(self), dtype=bool)
        return self.frame[list(self.target)].notna().all(axis=1).to_numpy()

    @property
    def groups(self) -> np.ndarray:
        """(N,) the group of each row.

        Raises:
            UserError: the table has no group column.
        """
        if self.group is None:
            raise UserError(
                f"this split keeps groups together, and data set {self.name} has no group column",
                "name it with data.extract.group=COLUMN",
                key="data.extract.group",
            )
        return self.frame[self.group].to_numpy()

    @cached_property
    def task(self) -> Task:
        """The task that follows from the target.

        With `aim` "auto", text, booleans and categories are classes; numbers are classes where they
        are whole and at most `MOST_CLASSES` distinct ones, otherwise a number to predict. Several
        columns are a multi-label task where each holds 0 and 1, or a regression on all of them.

        Raises:
            UserError: a column with fewer than two distinct values, a regression on one that is no
                number, or several of which some are neither.
        """
        task = self._task()
        return task if self.positive is None else self._with_positive(task)

    def _with_positive(self, task: Task) -> Task:
        """The task with the positive class as the second of two.

        Raises:
            UserError: there are not two classes, or the positive one is neither.
        """
        given = f"data.extract.positive={self.positive}"
        if task.kind != "binary":
            actual = f"has {len(task.classes)} classes" if task.classes else "is no class"
            raise UserError(
                f"{given} names one of two classes, and the target of {self.name} {actual}",
                "set data.extract.positive=null",
                key="data.extract.positive",
                value=self.positive,
            )
        name = _class_name(self.positive)
        for positive, other in (task.classes, task.classes[::-1]):
            if name == positive or name.lower() == positive.lower() != other.lower():
                return replace(task, classes=(other, positive))
        raise UnknownName(
            f"{given} names no class of the target {self.target[0]!r} of {self.name}",
            name,
            task.classes,
            key="data.extract.positive",
        )

    def _task(self) -> Task:
        if not self.target:
            return Task("none")
        if len(self.target) > 1:
            return self._several()
        values, numeric, whole = self._values(self.target[0])
        if self.aim == "regression" and not numeric:
            raise UserError(
                f"data.extract.task=regression needs a number as target, and column {self.target[0]!r} holds "
                f"{values[0]!r}",
                "use data.extract.task=classification",
                key="data.extract.task",
            )
        if self.aim == "regression" or (
            self.aim == "auto" and numeric and not (whole and len(values) <= MOST_CLASSES)
        ):
            return Task("regression")
        names = tuple(str(int(value)) if whole else str(value) for value in values)
        return Task("binary" if len(values) == 2 else "multiclass", names)

    def _several(self) -> Task:
        by_column = {column: self._values(column) for column in self.target}
        flags = [column for column, (values, _, _) in by_column.items() if set(values) == {0, 1}]
        if len(flags) == len(by_column) and self.aim != "regression":
            return Task("multilabel", classes=self.target)
        odd = [column for column, (_, numeric, _) in by_column.items() if not numeric]
        if self.aim == "classification" or odd:
            column = odd[0] if odd else next(column for column in self.target if column not in flags)
            raise UserError(
                "several targets must each hold 0 and 1, or all be numbers to predict, and column "
                f"{column!r} of {self.name} holds {by_column[column][0][0]!r}",
                "correct it, or leave it out of data.extract.target",
                key="data.extract.target",
            )
        return Task("regression", columns=self.target)

    def _values(self, column: str) -> tuple[list[Any], bool, bool]:
        """The distinct known values in order, whether they are numbers, and whether whole ones."""
        known = self.frame[column].dropna()
        values = sorted(known.unique(), key=lambda value: (isinstance(value, str), value))
        numeric = pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known)
        if len(values) < 2:
            actual = f"only the value {str(values[0])!r}" if values else "no value at all"
            raise UserError(
                f"a target needs two or more distinct values, and column {column!r} of {self.name} "
                f"has {actual}",
                "choose another with data.extract.target=COLUMN",
                key="data.extract.target",
            )
        return values, numeric, numeric and bool((known % 1 == 0).all())  # which an infinite one is not

    @cached_property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of a SHA-256 over columns, values and roles."""
        digest = hashlib.sha256()
        for frame in (self.frame, self.events):
            if frame is not None:
                digest.update(row_hashes(frame).tobytes())
                digest.update(repr(list(frame.columns)).encode())
        for array in (self.array, self.spans):
            if array is not None:
                digest.update(repr((array.shape, array.dtype.str)).encode())
                for first in range(0, len(array), _ROWS_AT_ONCE):  # memory-mapped: never whole in memory
                    digest.update(array[first : first + _ROWS_AT_ONCE].tobytes())
        roles = (self.features, self.target, self.group, self.id, self.time, self.shape)
        digest.update(f"{roles}{self.contents}".encode())
        if self.positive is not None:
            digest.update(_class_name(self.positive).encode())
        if self.time_parts:
            digest.update(repr(self.time_parts).encode())
        return digest.hexdigest()[:16]


def _class_name(value: ClassName | None) -> str:
    """A class that a user wrote, as `Table.task` names it: whole numbers without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
