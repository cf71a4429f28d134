"""data/augment: random change of whole training batches on their device."""
