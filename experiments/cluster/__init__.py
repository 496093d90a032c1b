"""Processes of a run: start, agreement, signals, watchdog."""
