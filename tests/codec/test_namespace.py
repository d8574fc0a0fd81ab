"""Names of namespaces: what a Temporal Service registers, and what stands for it in a place."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from temporal_codec import InvalidNamespace, Keyring
from temporal_codec.errors import KeyringNotFound
from temporal_codec.keys.sources import open_source
from temporal_codec.namespace import check_namespace, place_name
from tests.codec.rings import key

PLAIN = ["default", "orders.a1b2c", "_system", "9lives", "a..b", "x" * 255]
# The form that stands for each in the name of a file or a secret.
ESCAPED = {
    "v1:data-0": "v1=3Adata-0",
    "team a": "team=20a",
    "x/y": "x=2Fy",
    "a@b": "a=40b",
    "a+b": "a=2Bb",
    "-lead": "=2Dlead",
    ".lead": "=2Elead",
    ".": "=2E",
    "..": "=2E.",
    "../a": "=2E.=2Fa",
    "a\\b": "a=5Cb",
    "a=20b": "a=3D20b",
    "{namespace}": "=7Bnamespace=7D",
    "naïve": "na=C3=AFve",
    "заказы": "=D0=B7=D0=B0=D0=BA=D0=B0=D0=B7=D1=8B",
}
LONG = ["n" * 300, "ä" * 500, "/" * 1000]
REFUSED = ["", "a\0", "a\n", "\x1b[2J", "a\x7f", "a\x85", "half \ud83d", "x" * 1001, "ä" * 501]
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=300)


@pytest.mark.parametrize("name", [*PLAIN, *ESCAPED, *LONG])
def test_accepts_what_a_service_registers(name: str) -> None:
    assert check_namespace(name) == name


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_refuses_what_no_service_registers(name: str) -> None:
    """And says why without showing the name."""
    with pytest.raises(InvalidNamespace) as caught:
        check_namespace(name)
    assert not name or name not in str(caught.value)


@pytest.mark.parametrize("name", PLAIN)
def test_a_safe_name_stands_for_itself(name: str) -> None:
    """Rings that exist keep their names."""
    assert place_name(name) == name


@pytest.mark.parametrize("name", ESCAPED)
def test_any_other_name_is_escaped(name: str) -> None:
    assert place_name(name) == ESCAPED[name]


@pytest.mark.parametrize("name", LONG, ids=lambda name: name[0])
def test_a_name_too_long_for_a_file_is_hashed(name: str) -> None:
    assert re.fullmatch("=sha256=[0-9a-f]{64}", place_name(name))


@given(NAMES)
def test_the_form_is_reversible_and_safe(name: str) -> None:
    """No two names share one, none is a path, and Secrets Manager and S3 take each."""
    form = place_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_=][A-Za-z0-9._=-]{0,254}", form)
    if form == name:
        assert "=" not in name
    elif not form.startswith("=sha256="):
        assert unquote(form.replace("=", "%")) == name


@pytest.mark.parametrize("name", ["v1:data-0", "x/y", "..", "заказы", "n" * 300])
def test_a_ring_for_each_namespace_is_found_by_its_form(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{place_name(name)}.json").write_bytes(Keyring([key(1)]).to_json())
    (tmp_path / "default.json").write_bytes(Keyring([key(2)]).to_json())
    source = open_source(f"file:{tmp_path}/{{namespace}}.json")
    assert source.keys(name).sealing().id == "key-1"


def test_a_name_that_no_file_can_have_has_no_ring(tmp_path: Path) -> None:
    """A plain name of 255 characters and `.json`: it is missing, now and later."""
    with pytest.raises(KeyringNotFound, match="there is no key ring"):
        open_source(f"file:{tmp_path}/{{namespace}}.json").keys("x" * 255).sealing()


@pytest.mark.parametrize("name", ["", "a\0", "half \ud83d"], ids=ascii)
def test_no_source_gives_keys_for_what_is_no_name(name: str, tmp_path: Path) -> None:
    for uri in ("development", f"file:{tmp_path}/{{namespace}}.json"):
        with pytest.raises(InvalidNamespace):
            open_source(uri).keys(name)
