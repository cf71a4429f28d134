"""Files: how the parts of a bundle are called in its folder."""

from __future__ import annotations

WEIGHTS = "weights.safetensors"
TRANSFORM = "transform"
FACTS = "bundle.json"
EXAMPLE = "example.json"
