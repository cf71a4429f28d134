"""Report: one run as one page, which needs no network and no program but a browser."""
