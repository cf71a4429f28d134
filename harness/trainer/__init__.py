"""The ways of learning: what ties a model to data, optimizer, scheduler and loss."""
