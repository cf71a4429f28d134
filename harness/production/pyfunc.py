"""The MLflow model ("models from code"): MLflow runs this file when it loads the model.

Nothing imports it. The weights, the transform and the configuration are the artifact `bundle`; the
package itself travels beside it, so that the model runs where harness is not installed.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd


class RawRows(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A DataFrame of raw rows in; predictions and probabilities, or representations, out."""

    def load_context(self, context: Any) -> None:
        # MLflow also runs this file when it saves the model, in a process that has no use for torch.
        from harness.production.ensemble import open_predictor

        self._predictor = open_predictor(context.artifacts["bundle"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        return self._predictor(model_input)


mlflow.models.set_model(RawRows())
