"""The project's own parts, each named by a yaml of `conf`."""
