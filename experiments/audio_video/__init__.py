"""Audio and video: event classification and autoencoding."""
