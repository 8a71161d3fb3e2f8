"""A conversation with a language model: its rules, its model, and its health."""
