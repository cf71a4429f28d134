"""Many runs from one command line.

`report`, `folder` and `Pruned` are for the code of a trial: a program of Hydra's that is swept by
`hydra/sweeper=harness`, see `harness.sweep.program`. Importing them imports neither torch nor Optuna.
"""

from harness.sweep.inside_trial import Pruned, folder, report

__all__ = ["Pruned", "folder", "report"]
