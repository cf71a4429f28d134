"""The study of a sweep: storage, locks, the queue of trials, sampling and pruning."""
