"""A trained model in production: predict files, export, register, serve."""
