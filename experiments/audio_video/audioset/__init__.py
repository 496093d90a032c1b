"""AudioSet: classification of events in video, audio or both."""
