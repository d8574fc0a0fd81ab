"""The root of the command line: one module for each command or group of commands."""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from temporal_codec.cli.audit.command import app as audit
from temporal_codec.cli.conformance.command import conformance
from temporal_codec.cli.doctor.command import doctor
from temporal_codec.cli.errors import CliError
from temporal_codec.cli.history.command import app as history
from temporal_codec.cli.keys.command import app as keys
from temporal_codec.cli.payload.command import app as payload
from temporal_codec.cli.policy.command import app as policy


class _ErrorsAsSentences(TyperGroup):
    """Prints a CliError as sentences, and exits with its status."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 — typer's own signature
        try:
            return super().invoke(ctx)
        except CliError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(error.status) from None


# Pretty tracebacks show local variables, some of which are keys.
app = typer.Typer(
    cls=_ErrorsAsSentences,
    help="Tools for a Temporal Codec Server: diagnosis, keys, histories, payloads, policies.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes are hard to read in a pipe, and narrow the text
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"temporal-codec {version('temporal-codec-server')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None: ...


app.add_typer(keys, name="keys")
app.add_typer(history, name="history")
app.add_typer(payload, name="payload")
app.add_typer(policy, name="policy")
app.add_typer(audit, name="audit")
# An error about an extra argument after the URL must not show it: it may be a token.
app.command(context_settings={"allow_extra_args": True})(doctor)
app.command()(conformance)
