"""guard: Table + Folds -> Findings, what in the data would make the scores lie."""
