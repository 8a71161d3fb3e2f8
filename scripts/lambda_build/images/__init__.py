"""Functions as container images: what Docker builds them from, and the registry they go to."""
