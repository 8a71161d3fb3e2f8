"""Builds Lambda packages in which requirements.txt is honoured."""
