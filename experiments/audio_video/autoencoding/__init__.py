"""Autoencoding of video, audio and label: data, task and recipes."""
