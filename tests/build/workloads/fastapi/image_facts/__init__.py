"""Facts about images."""
