"""`temporal-codec payload`: what lies in S3, of any size, downloaded, verified and opened."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from temporal_codec.cli.errors import CliError
from temporal_codec.cli.history.file import read_text
from temporal_codec.cli.keys.rings import open_keys
from temporal_codec.cli.payload.find import find
from temporal_codec.cli.scratch import scratch, whole
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

app = typer.Typer(help="Payloads that workers put into S3.", no_args_is_help=True)

_REASONS = {
    Reason.BAD_REFERENCE: "The reference is not as the SDKs write it",
    Reason.UNKNOWN_KEY: "The ring has no key of that id: look at --ring and --namespace",
    Reason.NO_KEYRING: "There is no such key ring: look at --ring and --namespace",
    Reason.AUTHENTICATION: "It was changed, or sealed with another key of that id",
}


@app.command()
def get(  # noqa: PLR0913 — a command's options are its arguments
    file: Annotated[
        Path,
        typer.Argument(metavar="[FILE]", help="A history, or a payload as JSON; - for stdin."),
    ] = Path("-"),
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to.")],
    ring: Annotated[
        str, typer.Option(help="file:PATH, secretsmanager:NAME, kms:ALIAS-OR-ARN, or development.")
    ],
    bucket: Annotated[
        list[str], typer.Option(help="A bucket that it may lie in; give any number.")
    ],
    namespace: Annotated[
        str, typer.Option(help="Where it comes from: nothing of another one is fetched.")
    ] = "default",
    at: Annotated[
        str | None, typer.Option(help="Its place, as `history scan` tells it.", metavar="PLACE")
    ] = None,
    driver: Annotated[
        list[str] | None, typer.Option(help=f"Names of S3 drivers; else {DRIVER}.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Fetch what belongs to no namespace, too.")
    ] = False,
) -> None:
    """Download the payload that a reference leads to, and write its data to a file.

    The file appears when all of it has come, was verified and decrypted. It is plaintext, and
    readable by you alone. A reference is followed only into the buckets and the namespace given.
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
        raise CliError("This is no namespace's name. Look at --namespace.") from None
    typer.echo(f"Wrote {size} bytes of {encoding} to {output}.", err=True)


def _fetch(
    reference: Reference, trusted: AllowedReferences, namespace: str, keys: Keys, output: Path
) -> tuple[int, str]:
    try:
        from temporal_codec.cli.payload.download import check, download  # noqa: PLC0415 — botocore costs 0.2 s
        from temporal_codec.cli.payload.layers import opened  # noqa: PLC0415
    except ImportError:
        raise CliError(f"This needs botocore: {install('cli')}") from None
    check(trusted, reference, namespace)
    with whole(output) as sink, scratch(output) as (stored, path):
        download(reference, stored)
        stored.close()
        with opened(path, keys) as layer:
            for piece in layer.pieces():
                sink.write(piece)
        encoding = layer.metadata.get(ENCODING, b"no encoding").decode(errors="replace")
        return layer.size, encoding if encoding.isprintable() else "an unreadable encoding"


def _refuse(reason: Reason) -> NoReturn:
    told = _REASONS.get(reason, f"It cannot be opened ({reason.value})")
    raise CliError(f"{told}. Nothing was written.")
