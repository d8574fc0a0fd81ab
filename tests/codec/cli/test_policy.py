"""`temporal-codec policy`: a document is checked, and its decisions are explained."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from temporal_codec.cli.app import app
from temporal_codec.cli.policy.command import Operation
from temporal_codec.keys.key import Key
from temporal_codec.keys.keyring import Keyring
from temporal_codec.operations import OPERATIONS
from tests.codec.rings import SINCE, key
from tests.rigs.issuer import claims, token

GRANTS = [
    {"identities": ["*@example.com"], "namespaces": ["orders-*"], "operations": ["decode"]},
    {"identities": ["sub:auth0|123"], "namespaces": ["*"], "operations": ["decode", "encode"]},
]
ASKED = ("--namespace", "orders-eu", "--operation", "decode")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"grants": GRANTS}))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, arguments)])


def test_a_document_is_checked_alone(file: Path) -> None:
    """No identity is needed."""
    done = run("check", file)
    assert (done.exit_code, done.output) == (0, f"{file} is a valid policy with 2 grants.\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"grants": [\n  {"identities": [}\n]}', "line 2, column 19"),
        ('{"grants": [{}]}', "grants[0]"),
        ('{"grants": [], "grants": []}', "a duplicate member"),
        ('{"grants": [{"identities": ["*@*"], "namespaces": ["a"], "operations": ["decode"]}]}',
         "grants[0].identities"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place(file: Path, text: str, said: str) -> None:
    """In JSON by line and column, in what it says by member."""
    file.write_text(text)
    done = run("check", file)
    assert done.exit_code == 2
    assert said in done.output


GOOD = '{"identities": ["*@a.example"], "namespaces": ["a"], "operations": ["decode"]}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"grants": [\n  {}\n]}', "line 2, column 3"),
        (f'{{"grants": [\n {GOOD},\n  {{"namespaces": 7}}]}}', "line 3, column 18"),
        (GOOD.join(['{"grants": [\n', ',\n{"identity": []}]}']), "line 3, column 1"),
        (f'{{"grants": [{GOOD.replace("decode", "read")}]}}', "line 1, column 80"),
        ('\ufeff{"groups": {"on-call": [\n]},\n"grants": []}', "line 1, column 24"),
        ('{"groups": {"a.b": []}, "grants": []}', "line 1, column 12"),
        ('{"grants":\n7}', "line 2, column 1"),
    ],
)
def test_a_fault_of_what_it_says_has_its_line_too(file: Path, text: str, said: str) -> None:
    """Where the member begins that the fault names, or else the one that holds it."""
    file.write_text(text)
    done = run("check", file)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


@pytest.mark.parametrize("text", ["[]", '{"grants": [], "odd": 1}', '"grants[0]"', ""])
def test_a_fault_without_a_place_has_no_line(file: Path, text: str) -> None:
    file.write_text(text)
    done = run("check", file)
    assert done.exit_code == 2
    assert "(line" not in done.output


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = run("check", tmp_path / "nowhere.json")
    assert (done.exit_code, "cannot be read" in done.output) == (2, True)


def test_the_grant_that_decides_is_named(file: Path) -> None:
    allowed = run("check", file, "--identity", "Ana@example.com", *ASKED)
    assert (allowed.exit_code, allowed.output) == (0, "allowed by grants[0]\n")
    by_subject = run("check", file, "--identity", "sub:auth0|123", *ASKED)
    assert by_subject.output == "allowed by grants[1]\n"
    denied = run("check", file, "--identity", "ana@example.org", *ASKED)
    assert denied.exit_code == 1
    assert denied.output.startswith("denied: no grant covers it\n")


def test_a_question_is_whole(file: Path) -> None:
    done = run("check", file, "--identity", "ana@example.com")
    assert (done.exit_code, "--namespace and --operation" in done.output) == (2, True)


def test_a_wide_pattern_is_warned_about(file: Path) -> None:
    wide = [{**GRANTS[0], "identities": ["*@*.example.com"]}]
    file.write_text(json.dumps({"grants": wide}))
    done = run("check", file)
    assert done.exit_code == 0
    assert "Warning: grants[0].identities: a * in a domain" in done.output


def test_a_token_s_decision_is_explained(file: Path, tmp_path: Path) -> None:
    """Which grant decides, and what the closest others lack; the token is not shown."""
    held = tmp_path / "token"
    held.write_text(token())
    allowed = run("explain", file, "--token-file", held, "--namespace", "orders-eu")
    assert "E-mail address: ana@example.com" in allowed.output
    assert allowed.output.endswith("allowed by grants[0]\n")
    other = token(payload=claims(sub="somebody"))
    held.write_text(other)
    denied = run("explain", file, "--token-file", held, "--namespace", "billing")
    assert denied.exit_code == 1
    assert "grants[0]: another namespace" in denied.output
    assert "grants[1]: it is not for this identity" in denied.output
    assert other.split(".")[1] not in denied.output


def test_a_missing_reason_is_explained(file: Path, tmp_path: Path) -> None:
    file.write_text(json.dumps({"grants": [{**GRANTS[0], "reason": "required"}]}))
    asked = ("check", file, "--identity", "ana@example.com", *ASKED)
    assert "grants[0]: it requires a reason (X-Codec-Reason)" in run(*asked).output
    assert run(*asked, "--reason", "INC-4711").output == "allowed by grants[0]\n"
    held = tmp_path / "token"
    held.write_text(token())
    explained = ("explain", file, "--token-file", held, "--namespace", "orders-eu")
    assert "it requires a reason" in run(*explained).output
    assert run(*explained, "--reason", "INC-4711").exit_code == 0


ODD = "\x1b]0;x\x07\u202e"


@pytest.mark.parametrize("groups", [5, None, [ODD, 1], {"a": 1}, ODD], ids=repr)
def test_a_stranger_s_token_writes_nothing_to_the_terminal(
    groups: object, file: Path, tmp_path: Path
) -> None:
    """It is not verified: whatever its claims are, they are shown in printable ASCII."""
    held = tmp_path / "token"
    held.write_text(token(payload=claims(sub=ODD, email="\u212aen@example.com", groups=groups)))
    file.write_text(
        json.dumps(
            {"groups": {ODD: ["a@example.com"]}, "grants": [{**GRANTS[0], "claims": {ODD: "x"}}]}
        )
    )
    done = run("explain", file, "--token-file", held, "--namespace", "orders-eu")
    assert done.exit_code == 1, done.output
    assert done.output.replace("\n", "").isprintable()
    assert "ken@" not in done.output, "a server takes no such address"


def test_every_operation_can_be_asked_for() -> None:
    assert {each.value for each in Operation} == OPERATIONS.keys()


SHARED = Keyring([key(1), Key("own", bytes(32), SINCE, derives=True)])
OWN = Keyring([Key("own", bytes(32), SINCE, derives=True)])


@pytest.mark.parametrize(
    ("ring", "grants", "warns"),
    [
        (SHARED, GRANTS, True),
        (OWN, GRANTS, False),
        (SHARED, GRANTS[1:], False),
    ],
    ids=["shared keys", "derived keys", "one group of namespaces"],
)
def test_a_policy_that_keys_do_not_enforce_is_a_warning(
    ring: Keyring, grants: list[object], warns: bool, file: Path, tmp_path: Path
) -> None:
    """With a key for all namespaces, a caller reads another namespace under its own name."""
    file.write_text(json.dumps({"grants": grants}))
    (tmp_path / "ring.json").write_bytes(ring.to_json())
    done = run("check", file, "--ring", f"file:{tmp_path}/ring.json")
    assert done.exit_code == 0
    assert ("Keys that every namespace shares: key-1." in done.output) == warns


def test_a_ring_for_each_namespace_enforces_a_policy(file: Path) -> None:
    """And the development ring never does."""
    assert "Warning" not in run("check", file, "--ring", "file:rings/{namespace}.json").output
    assert "Warning" in run("check", file, "--ring", "development").output


def test_kms_enforces_a_policy_and_another_ring_beside_it_does_not(
    file: Path, tmp_path: Path
) -> None:
    """KMS binds each data key to its namespace."""
    assert "Warning" not in run("check", file, "--ring", "kms:alias/codec").output
    (tmp_path / "ring.json").write_bytes(SHARED.to_json())
    both = f"kms:alias/codec,file:{tmp_path}/ring.json"
    assert "key-1" in run("check", file, "--ring", both).output
