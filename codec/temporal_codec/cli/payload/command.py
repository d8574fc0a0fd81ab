"""`temporal-codec payload`: downloads, verifies and decrypts a payload of any size from S3."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from temporal_codec.cli.errors import CliError
from temporal_codec.cli.history.file import read_text
from temporal_codec.cli.keys.rings import open_keys
from temporal_codec.cli.options import Ring
from temporal_codec.cli.payload.find import find
from temporal_codec.cli.scratch import scratch, written_at_once
from temporal_codec.errors import (
    InvalidNamespace,
    KeyringUnavailable,
    PayloadError,
    Reason,
    install,
)
from temporal_codec.keys.keys import Keys
from temporal_codec.payload import ENCODING
from temporal_codec.storage.reference import DRIVER, AllowedReferences, Reference

app = typer.Typer(help="Download payloads that workers stored in S3.", no_args_is_help=True)

_REASONS = {
    Reason.BAD_REFERENCE: "The reference does not have the form that the SDKs write",
    Reason.UNKNOWN_KEY: "The ring has no key of that ID. Check --ring and --namespace",
    Reason.NO_KEYRING: "There is no such key ring. Check --ring and --namespace",
    Reason.AUTHENTICATION: "The payload was changed, or encrypted with another key of the same ID",
}


@app.command()
def get(  # noqa: PLR0913 — a command's options are its arguments
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A history, or a payload as JSON; - for standard input."
        ),
    ] = Path("-"),
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    ring: Ring,
    bucket: Annotated[
        list[str], typer.Option(help="A bucket that references may lead to; repeatable.")
    ],
    namespace: Annotated[
        str, typer.Option(help="The payload's namespace: references to others are not followed.")
    ] = "default",
    at: Annotated[
        str | None,
        typer.Option(help="The payload's place, as `history scan` prints it.", metavar="PLACE"),
    ] = None,
    driver: Annotated[
        list[str] | None, typer.Option(help=f"Name of an S3 driver; repeatable. Default: {DRIVER}.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Also follow references that belong to no namespace.")
    ] = False,
) -> None:
    """Download the payload that a reference leads to, and write its data to a file.

    The file appears once everything is downloaded, verified and decrypted. It is plaintext, and
    only you may read it. References are followed only to the given buckets and namespace.
    """
    keys = open_keys(ring, namespace)
    trusted = AllowedReferences(frozenset(bucket), frozenset(driver or [DRIVER]), shared=shared)
    name = "The input" if file == Path("-") else str(file)
    try:
        reference = find(name, read_text(file), keys, at)
        size, encoding = _fetch(reference, trusted, namespace, keys, output)
    except PayloadError as error:
        _refuse(error.reason)
    except KeyringUnavailable as error:
        raise CliError(f"The keys cannot be fetched now: {error}. Try again later.") from None
    except InvalidNamespace:
        raise CliError("No namespace can have this name. Check --namespace.") from None
    typer.echo(f"Wrote {size} bytes of {encoding} to {output}.", err=True)


def _fetch(
    reference: Reference, trusted: AllowedReferences, namespace: str, keys: Keys, output: Path
) -> tuple[int, str]:
    try:
        from temporal_codec.cli.payload.download import check, download  # noqa: PLC0415 — botocore costs 0.2 s
        from temporal_codec.cli.payload.layers import opened  # noqa: PLC0415
    except ImportError:
        raise CliError(f"This command needs botocore: {install('cli')}") from None
    check(trusted, reference, namespace)
    with written_at_once(output) as sink, scratch(output) as (stored, path):
        download(reference, stored)
        stored.close()
        with opened(path, keys) as layer:
            for piece in layer.pieces():
                sink.write(piece)
        encoding = layer.metadata.get(ENCODING, b"no encoding").decode(errors="replace")
        return layer.size, encoding if encoding.isprintable() else "an unreadable encoding"


def _refuse(reason: Reason) -> NoReturn:
    told = _REASONS.get(reason, f"The payload cannot be decrypted ({reason.value})")
    raise CliError(f"{told}. Nothing was written.")
