"""harness: one data set, many ideas, one word on the command line for each.

Start reading at `harness/run.py`, the corridor that walks through every room. From Python,
`from harness import compose, run` is what the command line is: see `harness/notebook.py`.
"""

__version__ = "0.1.0"
