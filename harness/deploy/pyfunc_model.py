"""The MLflow model ("models from code"): MLflow runs this file when it loads the model.

No module imports it. The weights, the transform and the configuration are the artifact `bundle`. The
package is copied with the model, so the model runs where harness is not installed.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import BAD_REQUEST, MlflowException


class Refused(MlflowException):  # type: ignore[misc]
    """Rows that cannot be predicted; the message is one sentence.

    MLflow's scoring server answers it with status 400, and any other exception with a stack trace. MLflow
    would also put the rows in front of the message; the setter without effect prevents this.
    """

    @property
    def message(self) -> str:
        return str(self.args[0])

    @message.setter
    def message(self, text: str) -> None:
        del text


class RawRows(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Predicts a DataFrame of raw rows: predictions and probabilities, or representations."""

    def load_context(self, context: Any) -> None:
        # MLflow also runs this file when it saves the model, in a process that does not need torch.
        from harness.bundle.ensemble import open_predictor

        self._predictor = open_predictor(context.artifacts["bundle"])

    def rows_of_csv(self, body: bytes) -> tuple[list[str], pd.DataFrame]:
        """The columns and the rows of a CSV text in UTF-8, read as `predict` reads a file.

        Raises:
            Refused: it cannot be read.
        """
        from harness.core.errors import UserError
        from harness.deploy.row_reader import open_text

        try:
            source = open_text(body, self._predictor.bundle)
            rows = [piece.rows for piece in source.pieces(None)]
        except UserError as error:
            raise Refused(str(error), BAD_REQUEST) from error
        return source.columns, rows[0] if rows else pd.DataFrame(columns=source.columns)

    def beyond_range(self, rows: pd.DataFrame) -> list[int] | None:
        """How many numbers of each raw row are beyond the range of the training rows; None if not known.

        Raises:
            Refused: the rows cannot be read.
        """
        from harness.bundle.range_counts import RangeCounts, beyond_all
        from harness.core.errors import UserError

        if self._predictor.bundle.id is not None or self._predictor.bundle.array is not None:
            return None  # one prediction for many rows, or no columns
        try:
            beyond = beyond_all(self._predictor, rows)
        except UserError as error:
            raise Refused(str(error), BAD_REQUEST) from error
        return RangeCounts().add(beyond).tolist() if len(beyond.columns) else None

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        from harness.core.errors import UserError

        try:
            return self._predictor(model_input)
        except UserError as error:
            raise Refused(str(error), BAD_REQUEST) from error


mlflow.models.set_model(RawRows())
