"""The verbs of the door: each module's `main(words)` gives an exit status."""
