"""Settings, read from the environment once at start."""
