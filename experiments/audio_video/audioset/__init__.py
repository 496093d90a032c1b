"""AudioSet: which sounds happen, told from video, sound or both."""
