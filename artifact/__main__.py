"""`python -m artifact finish FOLDER TEMPLATE`, which the build calls; `… digest FOLDER ...`."""

import sys
from pathlib import Path

from artifact import bytecode, models, processor, trim
from artifact.digest import digest

LOUD = """
    No Python 3.13 answers on this machine: this artifact holds no bytecode.
    It works, but Lambda compiles its libraries anew at each cold start, for a second or so.
    Install Python 3.13 (the patch level does not matter), remove .aws-sam and build again.
"""


def finish(folder: Path, template: Path) -> None:
    """Drop what is not needed, check the rest, and compile it."""
    trim.trim(folder)
    models.cut(folder)
    processor.check(folder, processor.wanted(template))
    if bytecode.MATCHES:
        bytecode.compile_all(folder)
    else:
        print(LOUD, file=sys.stderr)


def main(arguments: list[str]) -> None:
    """Run one command; a fault ends the build with a sentence that says what to do."""
    match arguments:
        case ["finish", folder, template]:
            try:
                finish(Path(folder), Path(template))
            except processor.WrongProcessor as error:
                sys.exit(f"The artifact is not fit for Lambda: {error}")
        case ["digest", *folders] if folders:
            for folder in folders:
                print(digest(Path(folder)), Path(folder).name)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
