"""`temporal-codec doctor`: why the Web UI or the CLI cannot decode, and what to do about it."""

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer

from temporal_codec.cli.doctor.endpoint import read_endpoint, read_origin
from temporal_codec.cli.doctor.examination import examine
from temporal_codec.cli.doctor.finding import Finding, Severity
from temporal_codec.cli.doctor.line import Line
from temporal_codec.cli.doctor.probe import Probe, Visit
from temporal_codec.cli.doctor.token import VARIABLE, read_token
from temporal_codec.cli.errors import WrongUsage

_COLOURS = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.PROBLEM: "red"}
_MAX_TOKEN = 65_537
_NO_ARGUMENT = (
    "doctor takes one URL. A token is no argument: it would stay in the shell's history. Set "
    f"{VARIABLE}, or give --token-file. If this was a token, take it out of the history."
)


def doctor(  # noqa: PLR0913 — a command's options are its arguments
    context: typer.Context,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="The endpoint, as it stands in the Web UI.")
    ],
    *,
    origin: Annotated[
        str, typer.Option(help="The page that shall decode: scheme, host and port.")
    ] = "https://cloud.temporal.io",
    cli: Annotated[
        bool, typer.Option("--cli", help="Ask as the CLI does: no page, no preflight.")
    ] = False,
    include_credentials: Annotated[
        bool, typer.Option("--include-credentials", help="As the Web UI's setting of that name.")
    ] = False,
    namespace: Annotated[
        str, typer.Option(help="The namespace to ask for; it replaces {namespace} in URL, too.")
    ] = "default",
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with an access token, or - to read or type it. "
            f"Else the variable {VARIABLE} is used, if it is set."
        ),
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="Certificates (PEM) to trust beside the system's.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=60, help="Seconds that a request may take.")
    ] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell why the Web UI or the CLI cannot decode with a Codec Server, be it ours or not.

    It sends two test payloads of its own, and one of 2 MB, and shows no token. Status 0 if it
    would work, 1 if not, 2 if it was called wrongly.
    """
    if context.args:
        raise WrongUsage(_NO_ARGUMENT)
    visit = Visit(
        endpoint=read_endpoint(url, namespace),
        namespace=namespace,
        origin=None if cli else read_origin(origin),
        token=read_token(token_file, os.environ, _typed) or None,
        credentials=include_credentials,
    )
    probe = Probe(visit, Line(visit.endpoint, ca_file, timeout))
    findings = _as_json(probe) if as_json else _as_text(probe)
    if not _works(findings):
        raise typer.Exit(1)


def _as_json(probe: Probe) -> Sequence[Finding]:
    findings = list(examine(probe))
    document = {
        "endpoint": probe.visit.endpoint.url,
        "origin": probe.visit.origin,
        "namespace": probe.visit.namespace,
        "works": _works(findings),
        "findings": [
            {"id": each.id, "severity": each.severity, "message": each.message, "next": each.next}
            for each in findings
        ],
    }
    typer.echo(json.dumps(document, indent=2))
    return findings


def _as_text(probe: Probe) -> Sequence[Finding]:
    visit, findings = probe.visit, []
    asker = f"a page from {visit.origin}" if visit.origin else "the CLI"
    typer.echo(f"{visit.endpoint.url} for {asker}, namespace {visit.namespace}")
    for finding in examine(probe):
        findings.append(finding)
        typer.secho(f"{finding.severity:<8} ", fg=_COLOURS[finding.severity], nl=False)
        typer.echo(f"{finding.id}: {finding.message.strip()}")
        if finding.severity is not Severity.OK:
            typer.echo(f"{'':<8} Next: {finding.next}")
    counts = Counter(finding.severity for finding in findings)
    verdict = "It would work" if _works(findings) else "It would not work"
    problems, warnings = counts[Severity.PROBLEM], counts[Severity.WARNING]
    typer.echo(f"{verdict}. Problems: {problems}; warnings: {warnings}.")
    return findings


def _works(findings: Sequence[Finding]) -> bool:
    return all(finding.severity is not Severity.PROBLEM for finding in findings)


def _typed() -> str:
    if sys.stdin.isatty():
        return getpass("Token (it is not shown): ")
    return sys.stdin.buffer.read(_MAX_TOKEN).decode(errors="replace")
