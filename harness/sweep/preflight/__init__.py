"""A dry run of a few trials before a sweep writes anything."""
