"""The shortest server around a bundle: `python serving.py BUNDLE PORT`."""

from __future__ import annotations

import sys
from typing import Any

import pandas as pd
import uvicorn
from fastapi import FastAPI

from harness.bundle.ensemble import open_predictor

predict = open_predictor(sys.argv[1])
app = FastAPI()


@app.post("/invocations")
def invocations(content: dict[str, Any]) -> dict[str, Any]:
    """Runs in a thread of FastAPI's pool, as MLflow's does."""
    split = content["dataframe_split"]
    rows = pd.DataFrame(split["data"], columns=split["columns"])
    return {"predictions": predict(rows).to_dict(orient="records")}


uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
