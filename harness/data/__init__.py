"""The data rooms: extract -> Table, transform -> Arrays, augment a batch, load -> Loaders."""
