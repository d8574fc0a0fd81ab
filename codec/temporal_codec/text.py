"""Texts from callers, as logs and terminals can show them."""


def shown(text: str) -> str:
    """The text in printable ASCII: all other characters and backslashes are escaped."""
    return text.encode("unicode_escape", "backslashreplace").decode("ascii")


def is_text(text: str) -> bool:
    """Whether a text can be written as UTF-8 and has no control characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)
