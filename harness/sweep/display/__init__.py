"""What a sweep prints while its trials run."""
