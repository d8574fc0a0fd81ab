"""`temporal-codec keys enroll`: rings of many namespaces, made and in rotation without stacks."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from temporal_codec.cli.errors import CliError, WrongUsage
from temporal_codec.errors import InvalidNamespace, install
from temporal_codec.namespace import check_namespace

_MOST_BYTES = 10_000_000


def enroll(
    names: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A file with one namespace a line. Default: standard input."
        ),
    ] = None,
    *,
    stack: Annotated[
        str, typer.Option(help="The Codec Server's stack, deployed with Rings=per-namespace.")
    ] = "temporal-codec",
    days: Annotated[int, typer.Option(min=1, max=1000, help="Days between rotations.")] = 90,
) -> None:
    """Make or adopt a ring for each of many namespaces, and put it in rotation. Repeatable.

    The stack's rotation function adds each ring's first key within a minute.
    """
    try:
        from temporal_codec.cli.keys.enrollment import (  # noqa: PLC0415 — botocore costs 0.2 s
            Enrollment,
        )
    except ImportError:
        raise CliError(f"Secrets Manager needs botocore: {install('cli')}") from None
    namespaces = list(dict.fromkeys(_checked(_text(names))))
    if not namespaces:
        raise WrongUsage("The list has no namespace. Write one on each line.")
    Enrollment(stack, days).enroll(namespaces)


def _text(file: Path | None) -> str:
    try:
        with file.open("rb") if file else sys.stdin.buffer as opened:
            found = opened.read(_MOST_BYTES + 1)
        if len(found) > _MOST_BYTES:
            raise WrongUsage(f"The list of namespaces has more than {_MOST_BYTES} bytes. Split it.")
        return found.decode("utf-8-sig")
    except OSError as error:
        raise WrongUsage(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise WrongUsage("The list of namespaces is not UTF-8.") from None


def _checked(text: str) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        name = line.removesuffix("\r")
        if not name:
            continue
        try:
            yield check_namespace(name)
        except InvalidNamespace as error:
            raise WrongUsage(f"Line {number}: {error}. Nothing was changed.") from None
