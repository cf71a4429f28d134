"""The report of a sweep: one page with pictures that opens anywhere, without a network."""
