"""The search space: which keys are swept over which values, and under which conditions."""
