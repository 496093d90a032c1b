"""Real clips from the archives of ordinary packages."""
