"""The evaluate room: a predictor and loaders in, `Scores` out; no weight ever changes here."""
