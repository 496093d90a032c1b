"""Loading and reading of data, shared by all experiments."""
