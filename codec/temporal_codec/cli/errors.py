"""Errors for people."""


class CliError(Exception):
    """Says what is wrong and what to do next; never a key's bytes, never a traceback."""

    status = 1
    """The exit status."""


class WrongUsage(CliError):
    """The command is used wrongly, so nothing was started."""

    status = 2


class NoHistory(CliError):
    """There is no history to look at."""

    status = 2
