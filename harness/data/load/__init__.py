"""data/load: Arrays + Fold -> Loaders."""
