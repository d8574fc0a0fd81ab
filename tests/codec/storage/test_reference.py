"""References: which are read, what they lead to, and which are followed."""

import json
from typing import Any

import pytest

from temporal_codec.errors import InvalidNamespace, PayloadError, Reason
from temporal_codec.storage.reference import (
    DRIVER,
    AllowedReferences,
    Reference,
    is_reference,
    read_reference,
)

CURRENT = {
    "encoding": b"json/protobuf",
    "messageType": b"temporal.api.sdk.v1.ExternalStorageReference",
}
LEGACY = {"encoding": b"json/external-storage-reference"}
CLAIM = {"bucket": "b", "key": "v0/ns/a/x", "hash_algorithm": "sha256", "hash_value": "0f" * 32}


def current(**changes: Any) -> bytes:
    claim = {**CLAIM, **changes}
    return json.dumps({"driverName": "aws.s3driver", "claimData": claim}).encode()


def legacy(**changes: Any) -> bytes:
    claim = {"claim_data": {**CLAIM, **changes}}
    return json.dumps({"driver_name": "aws.s3driver", "driver_claim": claim}).encode()


@pytest.mark.parametrize(
    ("metadata", "is_one"),
    [
        (CURRENT, True),
        (LEGACY, True),
        ({**LEGACY, "messageType": b"other"}, True),
        ({**CURRENT, "messageType": b"temporal.api.sdk.v1.ExternalStorageReferences"}, False),
        ({"encoding": b"json/protobuf"}, False),
        ({**CURRENT, "encoding": b"json/plain"}, False),
        ({"messageType": CURRENT["messageType"]}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_reference_is_known_by_its_metadata(metadata: dict[str, bytes], is_one: bool) -> None:
    """A message of JSON is one only with its type; the older encoding is one by itself."""
    assert is_reference(metadata) is is_one


@pytest.mark.parametrize("sizes", [(), (7,), (7, 8), (0,)])
def test_both_forms_say_the_same(sizes: tuple[int, ...]) -> None:
    """The first size is the object's; without any, none is known."""
    expected = Reference("aws.s3driver", "b", "v0/ns/a/x", "0f" * 32, sizes[0] if sizes else None)
    assert read_reference(CURRENT, current(), sizes) == expected
    assert read_reference(LEGACY, legacy(), sizes) == expected
    assert len({expected, read_reference(CURRENT, current(), sizes)}) == 1


def test_members_that_are_none_of_ours_are_left_alone() -> None:
    """A newer SDK may write more."""
    assert read_reference(CURRENT, current(region="eu-west-1")).bucket == "b"


WRONG: dict[str, bytes] = {
    "not JSON": b"{",
    "too deep": b'{"x":' + b"[" * 8000,
    "the other form": legacy(),
    "no bucket": current().replace(b'"bucket"', b'"bucked"'),
    "a key of another type": current(key=1),
    "another hash": current(hash_algorithm="sha512"),
    "a hash in upper case": current(hash_value="0F" * 32),
    "a hash too short": current(hash_value="0f" * 31),
    "a hash too long": current(hash_value="0f" * 32 + "\n"),
    "no key": current(key=""),
    "a key with a blank": current(key="a b"),
    "a key with a delete character": current(key="a\x7f"),
    "a key that is not ASCII": current(key="é"),
    "a key too long": current(key="k" * 1025),
    "larger than any": current().ljust(8193),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_sdk_writes_is_refused(name: str) -> None:
    """Whatever a caller wrote into a history, S3 is asked for nothing that is not well-formed."""
    with pytest.raises(PayloadError) as caught:
        read_reference(CURRENT, WRONG[name])
    assert caught.value.reason is Reason.BAD_REFERENCE
    assert caught.value.__cause__ is None


def test_the_bounds_are_exact() -> None:
    """A key of 1,024 bytes, which is S3's bound; 8,192 bytes of data; ASCII's first and last."""
    assert read_reference(CURRENT, current(key="k" * 1024).ljust(8192)).key == "k" * 1024
    assert read_reference(CURRENT, current(key="!~")).key == "!~"


@pytest.mark.parametrize(
    ("namespace", "key", "inside"),
    [
        ("a", "v0/ns/a/x", True),
        ("a", "v0/ns/ab/x", False),
        ("a", "v0/ns/a", False),
        ("a", "V0/ns/a/x", False),
        ("a", "v0/d/x", False),
        ("a", "v0/ns/a//x", False),
        ("a", "v0/ns/a/./x", False),
        ("a", "v0/ns/a/../b/x", False),
        ("a", "v0/ns/a/..x", True),
        ("a b", "v0/ns/a%20b/x", True),
        ("a/b", "v0/ns/a%2Fb/x", True),
        ("a/b", "v0/ns/a/b/x", False),
        ("a~!*'()", "v0/ns/a%7E!*'()/x", True),
        ("a~", "v0/ns/a~/x", False),
        ("é", "v0/ns/%C3%A9/x", True),
        ("é", "v0/ns/%c3%a9/x", False),
        ("..", "v0/ns/../x", False),
    ],
)
def test_a_reference_leads_into_its_namespace_alone(namespace: str, key: str, inside: bool) -> None:
    """Its prefix holds the name as the SDKs write it, and nothing walks out of it."""
    allowed = AllowedReferences(frozenset({"b"}), frozenset({"d"}))
    found = Reference("d", "b", key, "0f" * 32)
    if inside:
        allowed.check(found, namespace)
    else:
        assert refused(allowed, found, namespace)


def refused(allowed: AllowedReferences, reference: Reference, namespace: str = "a") -> bool:
    with pytest.raises(PayloadError) as caught:
        allowed.check(reference, namespace)
    return caught.value.reason is Reason.REFERENCE_REFUSED


def test_only_named_buckets_and_drivers_are_followed() -> None:
    allowed = AllowedReferences(frozenset({"b", "c"}), frozenset({"d"}))
    allowed.check(Reference("d", "c", "v0/ns/a/x", ""), "a")
    assert refused(allowed, Reference("d", "other", "v0/ns/a/x", ""))
    assert refused(allowed, Reference("other", "b", "v0/ns/a/x", ""))


def test_the_sdks_own_name_of_their_driver_is_known() -> None:
    """What is followed unless an operator names others."""
    allowed = AllowedReferences(frozenset({"b"}), frozenset({DRIVER}))
    allowed.check(read_reference(CURRENT, current()), "a")


def test_objects_of_no_namespace_are_followed_if_an_operator_says_so() -> None:
    """They may be read from every namespace then; each namespace's own stay its own."""
    allowed = AllowedReferences(frozenset({"b"}), frozenset({"d"}), shared=True)
    allowed.check(Reference("d", "b", "v0/d/x", ""), "a")
    allowed.check(Reference("d", "b", "v0/ns/a/x", ""), "a")
    for key in ("v0/dx", "v0/d/../ns/b/x", "v0/ns/b/x"):
        assert refused(allowed, Reference("d", "b", key, ""))


def test_no_key_is_checked_for_what_is_no_namespace() -> None:
    """An empty name would lead to `v0/ns//`."""
    allowed = AllowedReferences(frozenset({"b"}), frozenset({"d"}))
    with pytest.raises(InvalidNamespace):
        allowed.check(Reference("d", "b", "v0/ns//x", ""), "")


def test_what_is_followed_never_changes() -> None:
    allowed: Any = AllowedReferences(frozenset({"b"}), frozenset({"d"}))
    for name in ("buckets", "drivers", "shared"):
        with pytest.raises(AttributeError):
            setattr(allowed, name, {"other"})
