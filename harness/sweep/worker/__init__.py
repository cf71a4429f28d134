"""The workers of a sweep: each takes trials from the queue and runs them."""
