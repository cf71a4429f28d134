"""Launchers: where the jobs of a multirun run, `hydra/launcher=local` (ours, the default), `ray`, `slurm`."""
