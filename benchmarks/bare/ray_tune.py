"""A sweep as Ray Tune's documentation has it, one trial at a time.

python ray_tune.py DATA SPANS TRIALS EPOCHS FOLDER

It runs in an environment of its own. Ray gives each trial a process.
"""

import os
import sys

import ray
import torch
from ray import tune

HERE = os.path.dirname(os.path.abspath(__file__))


def objective(config, data, spans, epochs):
    sys.path.insert(0, HERE)
    from trial import Watch, read, train

    torch.set_num_threads(1)
    with Watch(spans):
        train(read(data), config["lr"], epochs, report=lambda epoch, best: tune.report({"accuracy": best}))


def main(data, spans, trials, epochs, folder):
    ray.init(num_cpus=1, include_dashboard=False, logging_level="error")
    given = {"data": data, "spans": spans, "epochs": int(epochs)}
    tuner = tune.Tuner(
        tune.with_parameters(objective, **given),
        param_space={"lr": tune.loguniform(1e-4, 1e-1)},
        tune_config=tune.TuneConfig(metric="accuracy", mode="max", num_samples=int(trials)),
        run_config=tune.RunConfig(storage_path=folder, verbose=0),
    )
    errors = tuner.fit().errors
    if errors:
        raise errors[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
