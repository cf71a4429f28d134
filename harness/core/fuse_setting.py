"""The setting `fuse`, which says whether folds are trained together."""

FUSE = "fuse"

AUTO = "auto"
"""Where it is faster. A stored run has a number or `OFF` instead."""

OFF = "off"
"""Each fold alone; also what a run does that was stored without this setting."""
