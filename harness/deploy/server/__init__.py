"""The process that `serve` becomes."""
