"""Several trainings of one kind as one vectorised training."""
