"""What archives that are there already hold: verified against a target, or compared."""
