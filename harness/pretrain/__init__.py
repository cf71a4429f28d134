"""A training before the training: what a model learns first, on the same fold."""
