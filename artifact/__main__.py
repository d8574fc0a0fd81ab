"""`python -m artifact finish FOLDER TEMPLATE`, which the build calls.

`… summary FOLDER ...` says what is inside, and `… digest FOLDER ...` gives a number for it.
`… image FOLDER` does to a container image's folder what `finish` does to a function's.
"""

import compileall
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

from artifact import bytecode, models, processor, trim
from artifact.digest import digest

LOUD = """
    No Python 3.13 was found on this machine, so the artifact contains no bytecode.
    It works, but Lambda compiles the libraries at each cold start, for about a second.
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


def finish_image(folder: Path) -> None:
    """Drop what a server off Lambda does not need, and compile the rest where it lies."""
    trim.trim(folder)
    models.cut(folder)
    for part in (
        "temporal_codec/cli",
        "temporal_codec/nexus.py",
        "temporal_codec/nexus_interceptor.py",
        "temporal_codec/plugin.py",
        "temporal_codec/temporal.py",
    ):
        trim.remove(folder / part)
    mode = PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(folder, quiet=1, invalidation_mode=mode):
        sys.exit("A module of the image does not compile.")


def summary(folder: Path) -> str:
    """One line for a function's folder: its size, and whether bytecode is inside."""
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    kind = "with bytecode" if any(folder.rglob("*.pyc")) else "WITHOUT bytecode"
    return f"{folder.name}: {size / 1_000_000:.1f} MB, {kind}"


def close(folders: list[Path]) -> None:
    """Print the closing lines of a build; SAM hides what the build itself prints."""
    lines = [summary(folder) for folder in folders]
    print(*lines, sep="\n")
    if any("WITHOUT" in line for line in lines):
        print(LOUD, file=sys.stderr)


def main(arguments: list[str]) -> None:
    """Run one command; a fault ends the build with a sentence that says what to do."""
    match arguments:
        case ["finish", folder, template]:
            try:
                finish(Path(folder), Path(template))
            except processor.WrongProcessor as error:
                sys.exit(f"The artifact is not fit for Lambda: {error}")
        case ["image", folder]:
            finish_image(Path(folder))
        case ["summary", *folders] if folders:
            close([Path(folder) for folder in folders])
        case ["digest", *folders] if folders:
            for folder in folders:
                print(digest(Path(folder)), Path(folder).name)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
