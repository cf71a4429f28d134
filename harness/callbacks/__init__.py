"""Callbacks: what a user does at the end of each epoch, without changing the harness."""
