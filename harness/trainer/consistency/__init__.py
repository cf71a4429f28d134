"""The methods of trainer=semi_supervised: what is asked of rows whose label nobody knows."""
