"""The verbs of the door: each module's `main(words)` does what it is named after."""
