"""A trained model with its fitted transform: raw rows in, predictions out."""
