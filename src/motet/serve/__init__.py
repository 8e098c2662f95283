"""A trained model as an HTTP service: recommendations, events that are kept, and a page to look at them."""
