"""harness: one data set, many ideas, one word on the command line for each.

Start reading at `harness/run.py`, the corridor that walks through every room.
"""

__version__ = "0.1.0"
