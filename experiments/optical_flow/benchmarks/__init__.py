"""Published data sets of optical flow, and what they ask for."""
