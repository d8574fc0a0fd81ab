"""`temporal-codec policy`: check a document, and say what it decides."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from temporal_codec.cli.errors import WrongUsage
from temporal_codec.cli.policy.claims import caller
from temporal_codec.cli.policy.enforced import unenforced
from temporal_codec.cli.policy.place import place_of
from temporal_codec.cli.progress import plural
from temporal_codec.policy import MAX_BYTES, Identity, Policy, PolicyError, parse
from temporal_codec.policy.grants import GROUP, SUBJECT
from temporal_codec.text import shown

app = typer.Typer(
    help="Policies: check a document, and explain its decisions.", no_args_is_help=True
)


class Operation(StrEnum):
    """What a grant allows: the names of `temporal_codec.operations.OPERATIONS`."""

    DECODE = "decode"
    ENCODE = "encode"
    DOWNLOAD = "download"


Document = Annotated[Path, typer.Argument(metavar="FILE", help="The policy document.")]
Namespace = Annotated[str | None, typer.Option(help="The namespace of the request.")]
Reason = Annotated[str, typer.Option(help="The reason in the header X-Codec-Reason.")]
_CLOSEST = 5


@app.command()
def check(  # noqa: PLR0913 — as below
    file: Document,
    *,
    identity: Annotated[
        str | None, typer.Option(help="An e-mail address, sub:SUBJECT or group:NAME.")
    ] = None,
    namespace: Namespace = None,
    operation: Annotated[
        Operation | None, typer.Option(help="The operation of the request.")
    ] = None,
    reason: Reason = "",
    ring: Annotated[
        str | None,
        typer.Option(
            help="The server's CODEC_KEYRING: warn if its keys do not keep apart the namespaces "
            "that the policy keeps apart."
        ),
    ] = None,
) -> None:
    """Check a policy; with an identity, a namespace and an operation, say which grant decides.

    Status 0 if the policy is valid and allows the request, 1 if it denies the request, 2 if the
    document is invalid.
    """
    policy = _read(file)
    for warning in unenforced(policy, ring) if ring else ():
        typer.echo(f"Warning: {warning}", err=True)
    asked = (identity, namespace, operation)
    if not any(asked):
        typer.echo(f"{file} is a valid policy with {plural(len(policy.grants), 'grant')}.")
    elif identity is None or namespace is None or operation is None:
        raise WrongUsage("Give --identity, --namespace and --operation together, or none of them.")
    else:
        who = replace(_identity(identity), purpose=reason)
        _decide(policy, who, namespace, str(operation))


@app.command()
def explain(  # noqa: PLR0913 — a command's options are its arguments
    file: Document,
    *,
    token_file: Annotated[
        Path, typer.Option(help="A file with the access token. The token is decoded, not verified.")
    ],
    namespace: Annotated[str, typer.Option(help="The namespace of the request.")],
    operation: Annotated[
        Operation, typer.Option(help="The operation of the request.")
    ] = Operation.DECODE,
    email_claim: Annotated[
        str | None, typer.Option(help="As CODEC_EMAIL_CLAIM; the default is the server's.")
    ] = None,
    groups_claim: Annotated[
        str, typer.Option(help="As groups_claim of the trust document.")
    ] = "groups",
    issuer: Annotated[
        str, typer.Option(help="The issuer's name in the trust document, if it is not the first.")
    ] = "",
    reason: Reason = "",
) -> None:
    """Say which grant decides for the holder of a token, and why the others do not."""
    identity = caller(token_file, email_claim, groups_claim, issuer)
    identity = replace(identity, purpose=reason)
    typer.echo(shown(f"Subject: {identity.subject or 'none'}"))
    typer.echo(shown(f"E-mail address: {identity.email or identity.no_email}"))
    typer.echo(shown(f"Groups: {', '.join(sorted(identity.groups)) or 'none'}"))
    _decide(_read(file), identity, namespace, str(operation))


def _decide(policy: Policy, identity: Identity, namespace: str, operation: str) -> None:
    rule = policy.decide(identity, namespace, operation)
    if rule is not None:
        typer.echo(f"allowed by {rule}")
        return
    typer.echo("denied: no grant covers it")
    # Those with the fewest unmet conditions come first.
    found = sorted(policy.explain(identity, namespace, operation), key=lambda each: -each[0])
    for _, sentence in found[:_CLOSEST]:
        typer.echo(shown(f"  {sentence}"))
    raise typer.Exit(1)


def _identity(text: str) -> Identity:
    if text.startswith(SUBJECT):
        return Identity(text.removeprefix(SUBJECT), None, "")
    if text.startswith(GROUP):
        return Identity("", None, "", groups=frozenset({text.removeprefix(GROUP)}))
    return Identity("", text.lower(), "")


def _read(file: Path) -> Policy:
    try:
        with file.open("rb") as opened:
            document = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise WrongUsage(f"{file} cannot be read: {error.strerror}.") from None
    try:
        policy = parse(document)
    except PolicyError as error:
        fault = f"{error}{place_of(str(error), document)}"
        raise WrongUsage(
            f"{file} is not a valid policy: {fault}. docs/policy.md describes every member."
        ) from None
    for warning in policy.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    return policy
