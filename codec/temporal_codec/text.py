"""Strangers' texts, as logs and terminals may show them."""


def shown(text: str) -> str:
    """The text in printable ASCII: what is not is escaped, and so is a backslash."""
    return text.encode("unicode_escape", "backslashreplace").decode("ascii")
