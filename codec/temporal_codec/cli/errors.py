"""The errors that people are meant to see."""


class CliError(Exception):
    """What is wrong and what to do next, in sentences; never a key's bytes, never a traceback."""

    status = 1
    """What the program ends with."""


class WrongUsage(CliError):
    """The command was given something that it cannot begin with."""

    status = 2


class NoHistory(CliError):
    """There is no history that could be looked at, so nothing is known of it."""

    status = 2
