"""What a package is checked for before it is written; a check refuses, or says what is suspect."""
