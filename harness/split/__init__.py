"""split: Table -> Folds of disjoint rows."""
