"""The methods of trainer=semi_supervised: the losses of unlabelled rows."""
