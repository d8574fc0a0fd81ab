"""The real parts that tests run against, each started, watched and stopped in one place."""
