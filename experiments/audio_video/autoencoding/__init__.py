"""Autoencoding of video, sound and label: data, task and recipes."""
