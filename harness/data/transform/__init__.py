"""data/transform: Table -> Arrays, fitted on the training rows alone."""
