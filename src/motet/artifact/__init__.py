"""A trained model on disk: writing it safely, checking it, and rebuilding the model."""
