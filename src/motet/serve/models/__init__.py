"""A saved model as the service asks it, and what there is to look up about it."""
