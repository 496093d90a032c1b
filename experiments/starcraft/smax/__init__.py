"""Cloning of the heuristic policy of SMAX, a public benchmark of battles."""
