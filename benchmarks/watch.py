"""Runs a program until its first optimizer step, and notes when that was.

python watch.py FILE harness [WORD …]     as `python -m harness WORD …`
python watch.py FILE SCRIPT               as `python SCRIPT`
"""

import os
import runpy
import sys
import time
from pathlib import Path

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook


def stepped(optimizer: torch.optim.Optimizer, args: object, kwargs: object) -> None:
    """Called by torch after every step of every optimizer."""
    del args, kwargs
    now = time.time()
    if sum(parameter.numel() for group in optimizer.param_groups for parameter in group["params"]) == 1:
        return  # the harness tries the optimizer's arguments on a single number before it trains
    Path(file).write_text(repr(now))
    if "harness.tracking.mlflow" in sys.modules:
        # The process that feeds MLflow must not run on into the next contender's time.
        sys.modules["harness.tracking.mlflow"].dismiss(60)
    os._exit(0)


file, program = sys.argv[1:3]
sys.argv = [program, *sys.argv[3:]]
register_optimizer_step_post_hook(stepped)
if program == "harness":
    runpy.run_module("harness", run_name="__main__", alter_sys=True)
else:
    runpy.run_path(program, run_name="__main__")
