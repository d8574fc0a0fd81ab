"""docs/format.md: its figures and its vector are those of the code."""

import hashlib
import hmac
import re
from datetime import UTC, datetime

from temporal_codec.allowance import MAX_INFLATED_BYTES
from temporal_codec.keys.key import MAX_ID_CHARACTERS, Key
from temporal_codec.keys.keyring import MAX_RING_BYTES
from tests.rigs.processes import ROOT

PAGE = (ROOT / "docs" / "format.md").read_text()


def test_the_figures_are_those_of_the_code() -> None:
    assert f"at most {MAX_RING_BYTES:,} bytes" in PAGE
    assert f"at most {MAX_ID_CHARACTERS} characters" in PAGE
    assert f"at most {MAX_INFLATED_BYTES:,} bytes" in PAGE


def test_the_vector_of_a_derived_key() -> None:
    """As the page describes it, with the standard library alone, and as the package does it."""
    table = PAGE.split("Check your implementation", 1)[1]
    key, key_id, namespace, derived = re.findall(r"\| `([^`]+)`", table)[:4]
    info = b"temporal-codec/derive/v1\0" + key_id.encode() + b"\0" + namespace.encode()
    extracted = hmac.digest(b"", key.encode(), hashlib.sha256)
    assert hmac.digest(extracted, info + b"\1", hashlib.sha256).hex() == derived
    own = Key(key_id, key.encode(), datetime(2026, 1, 1, tzinfo=UTC), derives=True)
    assert own.derived(namespace).secret.hex() == derived
