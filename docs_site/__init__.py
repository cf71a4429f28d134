"""What `make docs` adds to the pages of `docs/`: the reference, and the files that pages link to."""
