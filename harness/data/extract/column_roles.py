"""The roles of columns: target, group, id, time and features."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.core.errors import UnknownName, UserError
from harness.core.table import Aim, ClassName, DatePart, Kind, Table
from harness.data.extract.row_checks import Infinite, finite, finite_array, require_rows

_NO_FEATURE = "; data.extract.time_features=null keeps the time from being a feature"


@dataclass(frozen=True)
class Roles:
    """The options that every table source shares.

    target    the column to predict, several of them, or None
    group     the column whose rows belong together, or None
    id        the column that names a row, or the sequence to which an event belongs, or None
    time      the column that says when a row was taken, or None
    features  the columns that are model inputs, in order; None: all columns without another role
    keep      columns that stay beside the features, for a split that reads them, such as `predefined`
    drop      columns to leave out altogether
    task      whether the target is a class or a number; "auto" follows from the column
    kind      "image": the features are images; "sequence": the rows are events of sequences
    shape     [C, H, W] of images that are made of pixel columns, else None
    infinite  whether an infinite feature or target is an "error" or counts as "missing"
    positive  of two classes, the positive one; None: the last one in order
    time_features  what of a time column of dates is a feature of a table too, where `features` is None:
              "elapsed", "year", "month", "day_of_week", "hour"
    """

    target: str | list[str] | None
    group: str | None
    id: str | None
    time: str | None
    features: list[str] | None
    keep: list[str]
    drop: list[str]
    task: Aim
    kind: Kind
    shape: list[int] | None
    infinite: Infinite
    positive: ClassName | None = None
    time_features: Sequence[DatePart] = ()

    def __post_init__(self) -> None:
        if self.shape is not None and (len(self.shape) != 3 or min(self.shape) < 1):
            raise ValueError(f"shape must be [channels, height, width], got {self.shape}")

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to predict, none, one or several."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else tuple(self.target)

    @property
    def named(self) -> set[str]:
        """The columns that have a role or are kept, not those to drop."""
        others = {self.group, self.id, self.time} - {None}
        return {*self.targets, *(self.features or ()), *self.keep, *map(str, others)}

    def assign(
        self,
        frame: pd.DataFrame,
        name: str,
        source: str,
        array: np.ndarray | None = None,
        *,
        hint: str = "",
    ) -> Table:
        """The frame as a Table, its features those columns without another role, or `array`, (N, …).

        Args:
            hint: a sentence for the user who names a column that does not exist.

        Raises:
            UserError: a column does not exist, two roles contradict each other, there are no features, the
                number of pixel columns is not C * H * W, or the rows do not fit their roles (see
                `harness.data.extract.row_checks`).
            ValueError: frame and array differ in length; a fault of the extractor.
        """
        self._require_columns(frame, name, hint)
        frame = frame.drop(columns=self.drop) if self.drop else frame
        if len(frame) and not frame.index.equals(pd.RangeIndex(len(frame))):
            frame = frame.reset_index(drop=True)
        if array is not None:
            self._require_array(array, len(frame), name)
            array = finite_array(array, name, self.infinite)
        features = self._features(frame, name) if array is None else ()
        frame = finite(frame, features, name, self.infinite)
        table = Table(
            finite(frame, self.targets, name, self.infinite, largest=sys.float_info.max),
            features,
            target=self.targets,
            group=self.group,
            id=self.id,
            time=self.time,
            kind=self.kind,
            shape=self._image_shape(len(features), name),
            name=name,
            source=source,
            aim=self.task,
            array=array,
            positive=self.positive,
            time_parts=tuple(self.time_features) if self._takes_time(frame) else (),
        )
        require_rows(table)
        return table

    def _features(self, frame: pd.DataFrame, name: str) -> tuple[str, ...]:
        features = self.features
        if features is None:
            aside = {*self.targets, self.group, self.id, *self.keep}
            if not self._takes_time(frame):
                aside.add(self.time)
            features = [column for column in frame.columns if column not in aside]
        if not features:
            others = [column for column in frame.columns if column not in self.targets]
            raise UserError(
                f"{name} has no column left as a feature",
                "name some with data.extract.features=[COLUMN, …]"
                if others
                else "it has no other column than its target; add some to learn from",
            )
        if self.kind == "sequence" and self.id is None:
            raise UserError(
                f"data.extract.kind=sequence joins the rows of {name} that share an id, and none is named",
                "name its column with data.extract.id=COLUMN",
                key="data.extract.kind",
            )
        return tuple(features)

    def _takes_time(self, frame: pd.DataFrame) -> bool:
        """Whether the time column is a feature: many targets depend on the month, the day or the hour."""
        if self.time is None or self.time in self.keep or self.features is not None:
            return False
        if self.kind != "table" or not self.time_features:
            return False
        return pd.api.types.is_datetime64_any_dtype(frame[self.time])

    def _require_array(self, array: np.ndarray, rows: int, name: str) -> None:
        if len(array) != rows:
            raise ValueError(f"the array of {name} has {len(array)} rows, and its frame {rows}")
        if self.features is not None:
            raise UserError(
                f"data.extract.features chooses among columns, and the features of {name} are one array",
                "leave it out with data.extract.features=null",
                key="data.extract.features",
            )
        if self.shape is not None and tuple(self.shape) != array.shape[1:]:
            raise UserError(
                f"data.extract.shape={self.shape} is not that of the samples of {name}, "
                f"{list(array.shape[1:])}",
                "leave it out with data.extract.shape=null",
                key="data.extract.shape",
            )

    def _require_columns(self, frame: pd.DataFrame, name: str, hint: str) -> None:
        roles = {"group": self.group, "id": self.id, "time": self.time}
        named = [("target", column) for column in self.targets]
        named += [(role, column) for role, column in roles.items() if column is not None]
        named += [("features", column) for column in self.features or []]
        named += [("keep", column) for column in self.keep]
        named += [("drop", column) for column in self.drop]
        for role, column in named:
            if column not in frame.columns:
                raise UnknownName(
                    f"data.extract.{role} names the column {column!r}, which {name} does not have",
                    column,
                    map(str, frame.columns),
                    hint=hint,
                    key="data.extract",
                )
        for role, column in named:
            if role != "drop" and column in self.drop:
                self._refuse_both("drop", role, column, _NO_FEATURE if role == "time" else "")
            if role in ("group", "id") and column in self.targets:
                self._refuse_both("target", role, column)
            if role == "features" and column in self.keep:
                self._refuse_both("features", "keep", column)
        self._require_features()
        twice = [column for column in self.targets if self.targets.count(column) > 1]
        if twice:
            raise UserError(
                f"data.extract.target names the column {twice[0]!r} twice",
                "take one out",
                key="data.extract.target",
            )

    def _refuse_both(self, first: str, second: str, column: str, more: str = "") -> None:
        raise UserError(
            f"data.extract.{first} and data.extract.{second} both name the column {column!r}",
            f"take it out of one{more}",
            key="data.extract",
        )

    def _require_features(self) -> None:
        features = self.features or []
        seen = [column for column in self.targets if column in features]
        if seen:
            raise UserError(
                f"data.extract.features names the target {seen[0]!r}, which a model must not see",
                "take it out",
                key="data.extract.features",
            )
        twice = [column for column in features if features.count(column) > 1]
        if twice:
            raise UserError(
                f"data.extract.features names the column {twice[0]!r} twice",
                "take one out",
                key="data.extract.features",
            )

    def _image_shape(self, features: int, name: str) -> tuple[int, int, int] | None:
        if self.kind != "image" or not features:
            return None
        if self.shape is None:
            if features > 1:
                raise UserError(
                    f"an image is one feature, or pixel columns with a shape, and {name} has {features} "
                    "features",
                    "set data.extract.shape=[channels, height, width], or name the one with "
                    "data.extract.features",
                )
            return None
        channels, height, width = self.shape
        if math.prod(self.shape) != features:
            raise UserError(
                f"data.extract.shape={self.shape} asks for {math.prod(self.shape)} pixel columns, and {name} "
                f"has {features} features",
                "correct data.extract.shape, or leave columns out with data.extract.drop",
                key="data.extract.shape",
            )
        return channels, height, width
