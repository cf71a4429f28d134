"""Configuration: composed from yaml and overrides, checked against signatures, turned into objects."""
