"""The environment of a process: torchrun, signals, random seeds, memory, logs, secrets, provenance."""
