"""Export: a trained network with its preprocessing, for programs that know nothing of this package."""
