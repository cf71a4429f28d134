"""Training methods: they tie a model to data, optimizer, scheduler and loss."""
