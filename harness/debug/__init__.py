"""Debug modes, to check an experiment before a full run: debug=fast, overfit, lr, profile, anomaly."""
