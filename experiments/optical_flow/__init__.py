"""Optical flow: data, task and recipes."""
