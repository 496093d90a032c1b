"""Accelerators, and programs compiled for them without one."""
