"""The root of the command line: one group of commands a module."""

from typing import Any

import typer
from typer.core import TyperGroup

from cli.errors import CliError
from cli.keys import app as keys


class _Sentences(TyperGroup):
    """Tells a CliError as what it is, sentences, and ends with status 1."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 — typer's own signature
        try:
            return super().invoke(ctx)
        except CliError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None


# Pretty tracebacks show local variables, and some of ours are keys.
app = typer.Typer(
    cls=_Sentences,
    help="Look after what a Temporal Codec Server needs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(keys, name="keys")


@app.callback()
def _root() -> None:
    # With a callback, typer keeps the group's name although it is the only one.
    pass
