"""The one error that people are meant to see."""


class CliError(Exception):
    """What is wrong and what to do next, in sentences; never a key's bytes, never a traceback."""
