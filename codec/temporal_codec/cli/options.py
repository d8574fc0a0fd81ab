"""Options that several commands have: one name, one meaning, one line of help."""

from pathlib import Path
from typing import Annotated

import typer

from temporal_codec.cli.doctor.given import VARIABLE

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Ring = Annotated[
    str, typer.Option(help="file:PATH, secretsmanager:NAME, kms:ALIAS-OR-ARN, or development.")
]
Url = Annotated[str, typer.Argument(metavar="URL", help="The endpoint, as entered in the Web UI.")]
Namespace = Annotated[str, typer.Option(help="The namespace. It also replaces {namespace} in URL.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        help="A file with an access token; - reads it from input. "
        f"Default: the variable {VARIABLE}."
    ),
]
CaFile = Annotated[
    Path | None, typer.Option(help="PEM certificates to trust in addition to the system's.")
]
Timeout = Annotated[float, typer.Option(min=0.1, max=60, help="Seconds that a request may take.")]
