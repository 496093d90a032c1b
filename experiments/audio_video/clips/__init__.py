"""Clips of video and audio: synthetic, or prepared from files."""
