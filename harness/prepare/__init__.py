"""Everything before training: the plan, the data pipeline, the parts of one fold."""
