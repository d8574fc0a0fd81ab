"""Texts from callers, as logs and terminals can show them."""


def shown(text: str) -> str:
    """The text in printable ASCII: all other characters and backslashes are escaped."""
    return text.encode("unicode_escape", "backslashreplace").decode("ascii")
