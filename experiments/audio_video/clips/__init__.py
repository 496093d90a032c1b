"""Clips of video and sound: generated, or prepared from files."""
