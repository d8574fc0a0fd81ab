"""The token that the user gives, from a file, from input, or from the environment."""

import re
import sys
from collections.abc import Mapping
from getpass import getpass
from pathlib import Path

from temporal_codec.cli.errors import WrongUsage
from temporal_codec.strict_json import UTF_8, encoding_of

VARIABLE = "TEMPORAL_CODEC_TOKEN"
CLI_VARIABLE = "TEMPORAL_CODEC_AUTH"
_ENOUGH = 65_536  # anything longer is not a token
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]*")  # RFC 6750


def read_token(file: Path | None, environment: Mapping[str, str]) -> str:
    """Read the token from a file, from input (``-``), or from the environment; it can be empty.

    Raises WrongUsage, which never shows the token.
    """
    if file is None:
        text = environment.get(VARIABLE, "")
    else:
        text = _typed() if str(file) == "-" else _read(file)
        if not text.strip():
            raise WrongUsage("--token-file: there is no token in it. Write the access token there.")
    return _token(text)


def cli_token(environment: Mapping[str, str]) -> tuple[str, bool]:
    """What the CLI would send by its variable, and whether that lacks the scheme."""
    given = environment.get(CLI_VARIABLE, "").strip()
    token = _token(given)
    return token, bool(given) and token == given


def _typed() -> str:
    if sys.stdin.isatty():
        return getpass("Token (not shown): ")
    return sys.stdin.buffer.read(_ENOUGH + 1).decode(errors="replace")


def _token(text: str) -> str:
    # A file that a Windows shell wrote may start with a byte order mark.
    token = text.removeprefix("\ufeff").strip()
    token = token[7:].strip() if token[:7].lower() == "bearer " else token
    if not _TOKEN.fullmatch(token) or len(token) > _ENOUGH:
        raise WrongUsage(
            "This is not a token: it contains spaces, line breaks or quotes, or it is too long. "
            "Copy the access token again."
        )
    return token


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            text = opened.read(_ENOUGH + 1)
    except OSError as error:
        raise WrongUsage(f"--token-file: cannot read {file}: {error.strerror}.") from None
    encoding = encoding_of(text)
    if encoding != UTF_8:
        raise WrongUsage(f"--token-file: {file} is {encoding}. Save it as UTF-8.")
    return text.decode(errors="replace")
