"""The names of the files in a bundle's folder."""

from __future__ import annotations

WEIGHTS = "weights.safetensors"
TRANSFORM = "transform"
FACTS = "bundle.json"
EXAMPLE = "example.json"
