"""A sweep as Optuna's tutorial has it: `study.optimize` around a loop.

python optimize.py DATA SPANS TRIALS EPOCHS STORAGE SCORES [BATCH]

STORAGE is memory, or the path of a journal; SCORES is all, or accuracy, the least that a sweep needs.
"""

import sys

import optuna
import torch
from trial import BATCH, Watch, accuracy_of, read, scores_of, train


def storage_of(word):
    if word == "memory":
        return None
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(word))


def main(data, spans, trials, epochs, storage, scores, batch=BATCH):
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arrays, score = read(data), {"all": scores_of, "accuracy": accuracy_of}[scores]

    def objective(trial):
        with Watch(spans):
            lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
            report = lambda epoch, best: trial.report(best, epoch)  # noqa: E731 - as in a tutorial
            return train(arrays, lr, int(epochs), score, report, int(batch))

    study = optuna.create_study(
        storage=storage_of(storage), sampler=optuna.samplers.RandomSampler(seed=0), direction="maximize"
    )
    study.optimize(objective, n_trials=int(trials))


if __name__ == "__main__":
    main(*sys.argv[1:])
