"""`make conformance`: the vectors that ship with the command, and the table of docs/conformance.md.

codec/temporal_codec/cli/conformance/vectors.json   chosen from tests/vectors
docs/conformance.md                                 every server that can be run here
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers import go_version
from temporal_codec.cli.conformance.check import Level, Outcome, Result
from temporal_codec.cli.conformance.server import Server
from temporal_codec.cli.conformance.suite import CHECKS, results
from temporal_codec.cli.conformance.vectors import Known, samples_key
from temporal_codec.cli.doctor.connection import Connection
from temporal_codec.cli.doctor.endpoint import read_endpoint
from tests.rigs.codec_server import codec_server
from tests.rigs.interop import built
from tests.rigs.processes import clean_environment, free_port, listens, running

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/conformance.md"
SHIPPED = ROOT / "codec/temporal_codec/cli/conformance/vectors.json"
VECTORS = ROOT / "tests/vectors"
_MUST = [
    f"{language}-encryption-{kind}"
    for language in ("go", "python", "typescript", "ruby")
    for kind in ("json-plain", "binary-null", "binary-plain", "empty-data", "metadata-extra")
]
_OBSERVED = [
    "go-encryption-sample-starter-id",
    "java-encryption-json-plain",
    "go-zlib-if-smaller",
    "go-snappy-json",
    "python-gzip-kinds",
]
_SIGNS = {Outcome.PASS: "yes", Outcome.FAIL: "**no**", Outcome.SKIPPED: "n/a"}


def shipped() -> list[dict[str, Any]]:
    """The vectors that the command has with it."""
    chosen = [(Level.MUST, name) for name in _MUST] + [(Level.OBSERVED, n) for n in _OBSERVED]
    return [{"level": level, **_vector(name)} for level, name in chosen]


def _vector(name: str) -> dict[str, Any]:
    document = json.loads((VECTORS / f"{name}.json").read_text())
    return {part: document[part] for part in ("name", "source", "request", "expect")}


def server_at(url: str) -> Server:
    """A server that has the samples' key."""
    endpoint = read_endpoint(url, "default")
    return Server(endpoint, Connection(endpoint, None, 10), Known(samples_key()))


@contextmanager
def sdk_handler() -> Iterator[str]:
    """The Go SDK's own handler, without the CORS that its sample puts around it."""
    with _started([f"{built('go')}/codec-server", "serve", "127.0.0.1:{port}"]) as url:
        yield url


@contextmanager
def python_sample() -> Iterator[str]:
    """A server in the form of the Python sample, on its web framework."""
    with _started([sys.executable, "-m", "tests.rigs.python_sample", "{port}"]) as url:
        yield url


@contextmanager
def _started(command: list[str]) -> Iterator[str]:
    port = free_port()
    filled = [part.format(port=port) for part in command]
    with running(filled, lambda: listens(port), clean_environment({})):
        yield f"http://127.0.0.1:{port}"


def measured() -> dict[str, list[Result]]:
    """Every server's results, by its name and version."""
    with ExitStack() as stack:
        urls = {
            f"This one ({version('temporal-codec-server')})": stack.enter_context(
                codec_server()
            ).url,
            f"Go SDK's handler ({go_version()})": stack.enter_context(sdk_handler()),
            f"Python sample's form (aiohttp {version('aiohttp')})": stack.enter_context(
                python_sample()
            ),
        }
        return {name: list(results(server_at(url))) for name, url in urls.items()}


def table(found: dict[str, list[Result]], today: str) -> str:
    """The section of the page between its two marks."""
    names = list(found)
    lines = [
        f"Run on {today}.",
        "",
        f"| | | {' | '.join(names)} |",
        f"|---|---|{'---|' * len(names)}",
    ]
    for index, check in enumerate(CHECKS):
        cells = [_cell(found[name][index]) for name in names]
        lines.append(f"| {check.number} | {check.level} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(result: Result) -> str:
    return _SIGNS.get(result.outcome) or result.seen.replace("|", "/")


def checks() -> str:
    """The section that lists the rules."""
    rows = [f"| {c.number} | {c.level} | {c.rule} | [source]({c.source}) |" for c in CHECKS]
    return "\n".join(["| | level | rule | |", "|---|---|---|---|", *rows])


def with_section(page: str, name: str, text: str) -> str:
    """The page with the text between `<!-- NAME -->` and `<!-- end of NAME -->`."""
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def main() -> None:
    """Write the vectors and the page."""
    SHIPPED.write_text(json.dumps(shipped(), indent=1) + "\n")
    page = with_section(PAGE.read_text(), "checks", checks())
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    try:
        found = measured()
    except pytest.skip.Exception as missing:
        sys.exit(f"{missing}. docs/conformance.md was not changed.")
    PAGE.write_text(with_section(page, "results", table(found, today)))


if __name__ == "__main__":
    main()
