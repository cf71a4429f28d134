"""The plain data types that every other package uses: rows, folds, arrays, scores, progress, errors."""
