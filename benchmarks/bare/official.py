"""A sweep with hydra-optuna-sweeper, as its documentation has it.

python official.py -m hydra/sweeper=optuna +data=DATA +spans=SPANS +epochs=EPOCHS '+lr=tag(log, interval(…))'

It runs in an environment of its own, because the sweeper needs an Optuna before 3.
"""

import hydra
import torch
from trial import Watch, read, train


@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    torch.set_num_threads(1)
    with Watch(cfg.spans):
        return train(read(cfg.data), cfg.lr, cfg.epochs)


if __name__ == "__main__":
    main()
