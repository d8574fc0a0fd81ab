"""Programs that each run one worker, for tests that start them with every Python."""
