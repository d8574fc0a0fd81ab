"""`make mutants`: faults put into a module one by one; the tests must find each.

A mutant is known by its place and change, `module:function: old → new`. Those that may survive
stand in tests/mutants.toml, each with its reason; any other survivor is a failure, and so is a
reason without a survivor. Texts of messages are left alone. The checkout is never touched.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests.rigs.secrets_manager import moto_server

ROOT = Path(__file__).parents[1]
SERVER, ACCESS, CODEC = ("tests/handlers/server", "tests/handlers/access", "tests/codec")


def _in(folder: str, *names: str) -> list[str]:
    return [f"{folder}/test_{name}.py" for name in names]


_TOKENS = _in(ACCESS, "verifier", "trust")
_WIRE = [f"{CODEC}/wire", *_in(SERVER, "vectors")]
# The quick ones first: most mutants meet their test at once.
MODULES = {
    "handlers/access/token.py": [*_TOKENS, *_in(ACCESS, "guard", "algorithms", "jwks", "auth")],
    "handlers/access/claims.py": [*_TOKENS, *_in(ACCESS, "guard", "policy", "auth")],
    "handlers/access/trust.py": _in(ACCESS, "trust", "guard"),
    "handlers/access/alb.py": _in(ACCESS, "trust", "guard"),
    "handlers/access/jws.py": _in(ACCESS, "jws", "wycheproof", "algorithms"),
    "handlers/access/jwks.py": _in(ACCESS, "wycheproof", "algorithms", "jwks"),
    "handlers/access/policy.py": _in(ACCESS, "policy", "guard"),
    "handlers/access/permissions.py": _in(ACCESS, "policy"),
    "handlers/access/documents.py": _in(ACCESS, "documents", "policy"),
    "handlers/access/cloud.py": _in(ACCESS, "guard", "cloud"),
    "handlers/access/cloud_ops.py": _in(ACCESS, "cloud"),
    "handlers/access/groups.py": _in(ACCESS, "cloud"),
    "handlers/access/listed.py": _in(ACCESS, "cloud"),
    "handlers/access/guard.py": _in(ACCESS, "guard", "trust"),
    "handlers/server/app.py": [
        *_in(SERVER, "app", "audit"),
        *_in(ACCESS, "trust"),
        *_in(SERVER, "kms", "storage", "cors"),
        *_in(ACCESS, "auth"),
    ],
    "handlers/server/asgi.py": _in(SERVER, "app", "cors", "audit"),
    "handlers/server/cors.py": _in(SERVER, "cors"),
    "handlers/server/operations.py": _in(
        SERVER, "app", "request", "vectors", "storage_vectors", "audit", "multiplying"
    ),
    "handlers/rotation.py": _in("tests/handlers", "rotation", "rotation_races"),
    "codec/temporal_codec/https.py": [*_in(CODEC, "https"), *_in(ACCESS, "documents")],
    "codec/temporal_codec/cached.py": _in(CODEC, "cached"),
    "codec/temporal_codec/compression.py": _in(CODEC, "compression"),
    "codec/temporal_codec/payload.py": [*_in(CODEC, "pipeline"), *_WIRE],
    "codec/temporal_codec/pipeline.py": [
        *_in(CODEC, "pipeline", "compression", "envelope"),
        *_in(SERVER, "vectors"),
    ],
    "codec/temporal_codec/policy/document.py": [
        f"{CODEC}/policy",
        *_in("tests/docs", "references"),
    ],
    "codec/temporal_codec/policy/grants.py": [f"{CODEC}/policy"],
    "codec/temporal_codec/policy/patterns.py": [f"{CODEC}/policy"],
    "codec/temporal_codec/keys/keyring.py": _in(f"{CODEC}/keys", "keyring", "sources"),
    "codec/temporal_codec/keys/sources.py": _in(f"{CODEC}/keys", "sources", "together"),
    "codec/temporal_codec/storage/reference.py": _in(f"{CODEC}/storage", "reference"),
    "codec/temporal_codec/storage/fetch.py": _in(f"{CODEC}/storage", "fetch"),
    "codec/temporal_codec/storage/resolve.py": _in(f"{CODEC}/storage", "resolve"),
    "codec/temporal_codec/storage/s3.py": _in(f"{CODEC}/storage", "s3"),
    "codec/temporal_codec/wire/quick.py": _WIRE,
    "codec/temporal_codec/wire/strict.py": _WIRE,
    "codec/temporal_codec/wire/render.py": _WIRE,
    "codec/temporal_codec/encryption.py": [
        *_in(CODEC, "encryption", "wycheproof", "pipeline"),
        *_in(SERVER, "vectors"),
    ],
}
_PAIRS = (
    *((ast.Eq, ast.NotEq), (ast.In, ast.NotIn), (ast.Is, ast.IsNot), (ast.And, ast.Or)),
    *((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Add, ast.Sub), (ast.BitAnd, ast.BitOr)),
)
SWAPS: dict[type, Any] = {**dict(_PAIRS), **{after: before for before, after in _PAIRS}}
SPEAKS = {"refuse", "print", "add_argument", "add_parser", "ArgumentParser", "TypeVar"}
SECONDS = 300  # a busy machine takes its time, and a test that is killed counts as one that finds
# A process that has loaded what is not ours, and makes a child for each mutant: a third of the
# time. The child's own children have its process group, and end with it.
NURSERY = f"""
import gc, os, select, signal, sys
from importlib.metadata import entry_points
import botocore.session, cryptography.x509, httpx, jsonschema, msgspec, pytest
import aws_lambda_powertools, hypothesis, mangum, pybase64, temporalio.client, uvicorn
import temporalio.api.cloud.cloudservice.v1
for plugin in entry_points(group="pytest11"):
    plugin.load()
gc.freeze()
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        # What found the last faults is run first: it finds most of the next.
        flags = "-x -q --ff -W ignore::pytest.PytestAssertRewriteWarning".split()
        # Each file only once those before it pass: reading a file costs more than its first tests.
        for file in line.split():
            if status := pytest.main([*flags, file]):
                os._exit(status)
        os._exit(0)
    watched = os.pidfd_open(child)
    ended, _, _ = select.select([watched], [], [], {SECONDS})
    os.close(watched)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _, status = os.waitpid(child, 0)
    answers.write(str(os.waitstatus_to_exitcode(status) if ended else 1) + chr(10))
    answers.flush()
"""
_nurseries: dict[Path, subprocess.Popen[str]] = {}
# Python's caches come along: they are valid by the time of a file, which a mutant's differs from.
IGNORED = shutil.ignore_patterns(".*")


@dataclass(frozen=True)
class Mutant:
    """A module's source with one fault."""

    name: str
    source: str


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module."""
    for node, function in _places(ast.parse(source), module):
        for text in _changes(node):
            old = ast.unparse(node)
            name = f"{function}: {_short(old)} → {_short(text)}"
            yield Mutant(name, _spliced(source, node, text))


def _short(text: str) -> str:
    return " ".join(text.split())[:100]


def _places(node: ast.AST, name: str) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    # Every expression and statement that does something, with the function that it is in.
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        name = f"{name}:{node.name}"
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "bases", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_text(child):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child, name
            yield from _places(child, name)


def _is_text(node: ast.AST) -> bool:
    # Docstrings, and what is said to people.
    if isinstance(node, ast.keyword):
        return node.arg == "why"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        return called in SPEAKS or called.endswith(("Error", "Unavailable"))
    return isinstance(node, ast.JoinedStr)


def _changes(node: ast.expr | ast.stmt) -> Iterator[str]:
    # What may stand in a node's place.
    if isinstance(node, ast.Constant):
        yield from _other(node.value)
    elif isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            ops = [*node.ops[:place], SWAPS[type(operator)](), *node.ops[place + 1 :]]
            yield f"({ast.unparse(ast.Compare(node.left, ops, node.comparators))})"
    elif isinstance(node, ast.BoolOp):
        yield f"({ast.unparse(ast.BoolOp(SWAPS[type(node.op)](), node.values))})"
    elif isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
        yield f"({ast.unparse(ast.BinOp(node.left, SWAPS[type(node.op)](), node.right))})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.Raise) or _is_call(node):
        yield "pass"
    elif isinstance(node, ast.Return) and ast.unparse(node) not in ("return", "return None"):
        yield "return None"
    elif isinstance(node, ast.If):
        yield ""  # its test, negated: see _spliced


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _other(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, int | float):
        yield repr(value + 1)
    elif isinstance(value, str) and value:
        yield repr(value + "X")
    elif isinstance(value, bytes) and value:
        yield repr(value + b"X")


def _spliced(source: str, node: ast.expr | ast.stmt, text: str) -> str:
    if isinstance(node, ast.If):
        return _spliced(source, node.test, f"(not ({ast.unparse(node.test)}))")
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno is not None
    first, last = node.lineno - 1, node.end_lineno - 1
    before = b"".join(lines[:first]) + lines[first][: node.col_offset]
    after = lines[last][node.end_col_offset :] + b"".join(lines[last + 1 :])
    return (before + text.encode() + after).decode()


def survives(mutant: Mutant, module: str, tests: list[str], tree: Path) -> bool:
    """Whether the tests pass with a mutant, in a copy of the tree."""
    file = tree / module
    good = file.read_text()
    file.write_text(mutant.source)
    if tree not in _nurseries:
        # Before the installed package, which is the checkout's: the mutant is in the copy.
        paths = {"PYTHONPATH": str(tree / "codec"), "PYTHONDONTWRITEBYTECODE": "1"}
        _nurseries[tree] = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            cwd=tree,
            env={**os.environ, **paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    nursery = _nurseries[tree]
    assert nursery.stdin
    assert nursery.stdout
    try:
        nursery.stdin.write(" ".join(tests) + "\n")
        nursery.stdin.flush()
        return nursery.stdout.readline() == "0\n"
    finally:
        file.write_text(good)


def run(module: str, tests: list[str], trees: SimpleQueue[Path]) -> tuple[int, list[str]]:
    """How many mutants a module has, and which survive."""

    def one(mutant: Mutant) -> bool:
        tree = trees.get()
        try:
            return survives(mutant, module, tests, tree)
        finally:
            trees.put(tree)

    found = list(mutants(module, (ROOT / module).read_text()))
    unchanged = Mutant("", (ROOT / module).read_text())
    if not one(unchanged):
        sys.exit(f"{module}: its tests fail without any fault")
    with ThreadPoolExecutor(trees.qsize()) as pool:
        alive = list(pool.map(one, found))
    return len(found), [each.name for each, lives in zip(found, alive, strict=True) if lives]


def mismatches(alive: list[str], known: Collection[str]) -> list[str]:
    """Survivors without a reason, and reasons without a survivor."""
    return [
        *(f"not explained: {name}" for name in alive if name not in known),
        *(f"explained, but killed: {name}" for name in known if name not in alive),
    ]


def main(chosen: list[str]) -> int:
    """Try the chosen modules, or all; 1 where a survivor and its reason do not match."""
    unknown = set(chosen) - set(MODULES)
    if unknown:
        sys.exit(
            f"no tests are named for {', '.join(unknown)}; MODULE is one of {', '.join(MODULES)}"
        )
    explained = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, moto_server() as port:
        os.environ["MOTO_PORT"] = str(port)  # of one for all mutants: each starts no other
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(len(os.sched_getaffinity(0))):
            trees.put(Path(shutil.copytree(ROOT, Path(folder) / str(number), ignore=IGNORED)))
        for module in chosen or MODULES:
            count, alive = run(module, MODULES[module], trees)
            known = explained.get(module, {})
            print(f"{module}: {count - len(alive)} of {count} killed", flush=True)
            for line in mismatches(alive, known):
                print(f"  {line}", flush=True)
                wrong += 1
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
