"""Export: a trained network with its preprocessing, for programs without this package."""
