"""The stages of a run around its training: resume, score, deferred test, refit, pre-training."""
