"""Time and memory of our models beside those of others."""
