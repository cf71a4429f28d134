"""What leaves the laboratory: a trained model with its transform, from raw rows to predictions."""
