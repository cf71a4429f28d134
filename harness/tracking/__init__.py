"""How a run is shown elsewhere: MLflow, fed from the run's journal by a process of its own.

`mlflow.py` and `none.py` are the parts that `tracking=` chooses. Neither imports MLflow: only the
clerk (`clerk.py`) and `sync` do.
"""
