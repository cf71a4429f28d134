"""Evaluators: from a predictor and loaders to `Scores`; they never change a weight."""
