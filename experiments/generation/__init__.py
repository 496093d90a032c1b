"""Generation of sequences, element by element (2202.07765)."""
