"""`temporal-codec doctor`: why the Web UI or the CLI cannot decode, and what to do about it."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from temporal_codec.cli.doctor.connection import Connection
from temporal_codec.cli.doctor.endpoint import read_endpoint, read_origin
from temporal_codec.cli.doctor.examination import examine
from temporal_codec.cli.doctor.finding import Finding, Severity
from temporal_codec.cli.doctor.given import VARIABLE, cli_token, read_token
from temporal_codec.cli.doctor.own import OPENED, read_own
from temporal_codec.cli.doctor.payloads import ROUND_TRIP
from temporal_codec.cli.doctor.probe import Probe, Target
from temporal_codec.cli.errors import WrongUsage
from temporal_codec.cli.options import AsJson, CaFile, Namespace, Timeout, TokenFile, Url

_COLORS = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.PROBLEM: "red"}
_PROOFS = {ROUND_TRIP.id, OPENED.id}
_NO_ARGUMENT = (
    "doctor takes one URL. A token is not an argument, because the shell's history would keep it. "
    f"Set {VARIABLE}, or use --token-file. If this was a token, delete it from the history."
)


def doctor(  # noqa: PLR0913 — a command's options are its arguments
    context: typer.Context,
    url: Url,
    *,
    origin: Annotated[
        str, typer.Option(help="The page that decodes: scheme, host and port.")
    ] = "https://cloud.temporal.io",
    cli: Annotated[
        bool, typer.Option("--cli", help="Examine what the CLI does: no page, no preflight.")
    ] = False,
    include_credentials: Annotated[
        bool, typer.Option("--include-credentials", help="The Web UI's setting of that name is on.")
    ] = False,
    namespace: Namespace = "default",
    other_namespace: Annotated[
        str | None,
        typer.Option(help="Another namespace of the token: check whether keys keep the two apart."),
    ] = None,
    payload: Annotated[
        Path | None, typer.Option(help="Try the payloads in this file: one, or {payloads: [...]}.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="Try the payloads of this exported history.")
    ] = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    timeout: Timeout = 10,
    as_json: AsJson = False,
) -> None:
    """Diagnose why the Web UI or the CLI cannot decode.

    Sends two small test payloads and one of 2 MB, and your own if you give them. Never prints a
    token or a payload. Status 0 if decoding works, 1 if not, 2 if the command is used wrongly.
    """
    if context.args:
        raise WrongUsage(_NO_ARGUMENT)
    token, without_scheme = read_token(token_file, os.environ), False
    if cli and not token:
        token, without_scheme = cli_token(os.environ)
    target = Target(
        endpoint=read_endpoint(url, namespace),
        namespace=namespace,
        origin=None if cli else read_origin(origin),
        token=token or None,
        credentials=include_credentials,
        without_scheme=without_scheme,
        own=read_own(payload, history),
        other=other_namespace,
    )
    probe = Probe(target, Connection(target.endpoint, ca_file, timeout))
    findings = _as_json(probe) if as_json else _as_text(probe)
    if not _works(findings):
        raise typer.Exit(1)


def _as_json(probe: Probe) -> Sequence[Finding]:
    findings = list(examine(probe))
    document = {
        "endpoint": probe.target.endpoint.url,
        "origin": probe.target.origin,
        "namespace": probe.target.namespace,
        "works": _works(findings),
        "decoded": _decoded(findings),
        "findings": [
            {"id": each.id, "severity": each.severity, "message": each.message, "next": each.next}
            for each in findings
        ],
    }
    typer.echo(json.dumps(document, indent=2))
    return findings


def _as_text(probe: Probe) -> Sequence[Finding]:
    target, findings = probe.target, []
    client = f"a page from {target.origin}" if target.origin else "the CLI"
    color = False if os.environ.get("NO_COLOR") else None
    typer.echo(f"{target.endpoint.url} for {client}, namespace {target.namespace}")
    for finding in examine(probe):
        findings.append(finding)
        severity = typer.style(f"{finding.severity:<8} ", fg=_COLORS[finding.severity])
        typer.echo(f"{severity}{finding.id}: {finding.message.strip()}", color=color)
        if finding.severity is not Severity.OK:
            typer.echo(f"{'':<8} Next: {finding.next}")
    counts = Counter(finding.severity for finding in findings)
    problems, warnings = counts[Severity.PROBLEM], counts[Severity.WARNING]
    typer.echo(f"{_verdict(findings)} Problems: {problems}; warnings: {warnings}.")
    return findings


def _verdict(findings: Sequence[Finding]) -> str:
    if not _works(findings):
        return "Decoding does not work."
    return "Decoding works." if _decoded(findings) else "No obstacle found, but nothing decoded."


def _works(findings: Sequence[Finding]) -> bool:
    return all(finding.severity is not Severity.PROBLEM for finding in findings)


def _decoded(findings: Sequence[Finding]) -> bool:
    # Something encoded was seen to come back decoded.
    return not _PROOFS.isdisjoint(finding.id for finding in findings)
