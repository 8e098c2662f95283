"""A trained model on disk: what is written, how it stays whole, how it is checked and built again."""
