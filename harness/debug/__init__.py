"""Ways to look at an experiment before it is worth running: debug=fast, overfit, lr, profile, anomaly."""
