"""The wire's JSON: what is taken, what is refused and with which sentence, how it is written."""

import base64
import json
import math
import os
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload, Payloads

from temporal_codec import Key, WireError, wire
from temporal_codec.encryption import metadata_of
from temporal_codec.errors import TooManyPayloads
from temporal_codec.payload import Received
from temporal_codec.pipeline import Opened
from temporal_codec.protobuf import parse, serialize_all
from temporal_codec.wire import quick, read, render_received, strict, write
from tests.codec.rings import SINCE

JSON = {"encoding": b"json/plain"}


def body(*payloads: object) -> bytes:
    return json.dumps({"payloads": payloads}).encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


ACCEPTED: dict[str, tuple[bytes, list[Received]]] = {
    "an empty object": (b"{}", []),
    "payloads null": (b'{"payloads":null}', []),
    "an empty list": (b'{"payloads":[]}', []),
    "white space around": (b' \r\n\t{"payloads" : [ ] } \n', []),
    "an empty payload": (body({}), [Received({}, b"")]),
    "nulls": (
        body({"metadata": None, "data": None, "externalPayloads": None}),
        [Received({}, b"")],
    ),
    "empty members": (body({"metadata": {}, "data": ""}), [Received({}, b"")]),
    "data alone": (body({"data": "eA=="}), [Received({}, b"x")]),
    "metadata alone": (body({"metadata": {"a": "eA=="}}), [Received({"a": b"x"}, b"")]),
    "an empty name": (body({"metadata": {"": ""}}), [Received({"": b""}, b"")]),
    "names of any kind": (
        body({"metadata": {'q"\\:\n é€😀': "eA=="}}),
        [Received({'q"\\:\n é€😀': b"x"}, b"")],
    ),
    "raw UTF-8": ('{"payloads":[{"metadata":{"é:":""}}]}'.encode(), [Received({"é:": b""}, b"")]),
    "escaped base64": (b'{"payloads":[{"data":"\\u0065A=\\u003d"}]}', [Received({}, b"x")]),
    "escaped slash": (b'{"payloads":[{"data":"\\/\\/8="}]}', [Received({}, b"\xff\xff")]),
    "standard alphabet": (body({"data": "+/+/"}), [Received({}, b"\xfb\xff\xbf")]),
    "URL-safe alphabet": (body({"data": "-_-_"}), [Received({}, b"\xfb\xff\xbf")]),
    "no padding, 2": (body({"data": "eA"}), [Received({}, b"x")]),
    "no padding, 3": (body({"data": "eHg"}), [Received({}, b"xx")]),
    "no padding, 10": (body({"data": b64(b"7 bytes").rstrip("=")}), [Received({}, b"7 bytes")]),
    "URL-safe, one of it": (body({"data": "A-A-"}), [Received({}, b"\x03\xe0>")]),
    "URL-safe without padding": (body({"data": "__8"}), [Received({}, b"\xff\xff")]),
    "sizes": (
        body({"externalPayloads": [{"sizeBytes": "7"}, {"sizeBytes": 8}, {"size_bytes": 9}, {}]}),
        [Received({}, b"", (7, 8, 9, 0))],
    ),
    "snake case": (body({"external_payloads": [{"size_bytes": "7"}]}), [Received({}, b"", (7,))]),
    "size null": (body({"externalPayloads": [{"sizeBytes": None}]}), [Received({}, b"", (0,))]),
    "size limits": (
        body({"externalPayloads": [{"sizeBytes": str(-(2**63))}, {"sizeBytes": 2**63 - 1}]}),
        [Received({}, b"", (-(2**63), 2**63 - 1))],
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts(name: str) -> None:
    text, expected = ACCEPTED[name]
    assert read(text) == expected


NO_SIZES: list[object] = [1.5, True, "", "-", "+1", " 1", "1_0", "0x1", 2**63, str(2**63), []]
NO_SIZES += [-(2**63) - 1, str(-(2**63) - 1), "9" * 5000]  # the last has too many for int()
REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "The request is not valid JSON."),
    "blank": (b"  ", "The request is not valid JSON."),
    "not JSON": (b"payloads", "The request is not valid JSON."),
    "truncated": (b'{"payloads":[', "The request is not valid JSON."),
    "trailing": (b"{} {}", "The request is not valid JSON."),
    "NaN": (b'{"payloads":NaN}', "The request is not valid JSON."),
    "a comma too many": (b'{"payloads":[],}', "The request is not valid JSON."),
    "a control character": (b'{"payloads":[{"data":"\x01"}]}', "The request is not valid JSON."),
    "a bad escape": (b'{"payloads":[{"data":"\\q"}]}', "The request is not valid JSON."),
    "a huge number": (b'{"payloads":' + b"9" * 5000 + b"}", "The request is not valid JSON."),
    "a BOM": (b"\xef\xbb\xbf{}", "The request starts with a byte order mark."),
    "UTF-16": ("{}".encode("utf-16"), "The request is not valid UTF-8."),
    "bad UTF-8 in data": (
        b'{"payloads":[{"data":"\xff"}]}',
        "The request is not valid UTF-8.",
    ),
    "bad UTF-8 in a name": (
        b'{"payloads":[{"metadata":{"\xed\xa0\x80":""}}]}',
        "The request is not valid UTF-8.",
    ),
    "depth": (b"[" * 100_000, "The request is nested too deeply."),
    "depth in data": (
        b'{"payloads":[{"data":' + b"[" * 100_000,
        "The request is nested too deeply.",
    ),
    "33 levels in data": (
        b'{"payloads":[{"data":' + b"[" * 33 + b"]" * 33 + b"}]}",
        "payloads[0].data must be a string of base64.",
    ),
    "an array": (b"[]", "The request must be an object."),
    "null": (b"null", "The request must be an object."),
    "a string": (b'"x"', "The request must be an object."),
    "an unknown member": (b'{"payloads":[],"x":1}', "The request has an unknown member."),
    "payloads twice": (b'{"payloads":[],"payloads":[]}', "The request has a duplicate member."),
    "payloads an object": (b'{"payloads":{}}', "payloads must be an array."),
    "payloads a string": (b'{"payloads":"x"}', "payloads must be an array."),
    "payloads false": (b'{"payloads":false}', "payloads must be an array."),
    "a null payload": (body({}, None), "payloads[1] must be an object."),
    "a string payload": (body("x"), "payloads[0] must be an object."),
    "an unknown field": (body({}, {"Data": ""}), "payloads[1] has an unknown member."),
    "data twice": (
        b'{"payloads":[{},{"data":"eA==","data":"eA=="}]}',
        "payloads[1] has a duplicate member.",
    ),
    "metadata twice": (
        b'{"payloads":[{"metadata":{},"metadata":{"a":""}}]}',
        "payloads[0] has a duplicate member.",
    ),
    "a name twice": (
        b'{"payloads":[{"metadata":{"a":"","a":""}}]}',
        "payloads[0].metadata has a duplicate member.",
    ),
    "a name twice, once escaped": (
        b'{"payloads":[{"metadata":{"a":"","\\u0061":""}}]}',
        "payloads[0].metadata has a duplicate member.",
    ),
    "twice where another is missing": (
        b'{"payloads":[{"data":"","data":""},{}]}',
        "payloads[0] has a duplicate member.",
    ),
    "both cases": (
        body({"externalPayloads": [], "external_payloads": []}),
        "payloads[0] has a duplicate member.",
    ),
    "null and twice": (
        b'{"payloads":[{"data":null,"data":""}]}',
        "payloads[0] has a duplicate member.",
    ),
    "data a number": (body({"data": 1}), "payloads[0].data must be a string of base64."),
    "data false": (body({"data": False}), "payloads[0].data must be a string of base64."),
    "data a list": (body({"data": [1]}), "payloads[0].data must be a string of base64."),
    "metadata a list": (body({"metadata": []}), "payloads[0].metadata must be an object."),
    "metadata a string": (body({"metadata": "x"}), "payloads[0].metadata must be an object."),
    "a null value": (
        body({"metadata": {"a": "", "b": None}}),
        "payloads[0].metadata: value 2 must be a string of base64.",
    ),
    "a value of another type": (
        body({"metadata": {"a": 1}}),
        "payloads[0].metadata: value 1 must be a string of base64.",
    ),
    "bad base64 in a value": (
        body({"metadata": {"a": "eA==", "b": "b%d"}}),
        "payloads[0].metadata: value 2 is not valid base64.",
    ),
    "half a surrogate in a name": (
        b'{"payloads":[{"metadata":{"\\ud800":""}}]}',
        "payloads[0].metadata has half a surrogate pair.",
    ),
    "half a surrogate in data": (
        b'{"payloads":[{"data":"\\ud800"}]}',
        "payloads[0].data is not valid base64.",
    ),
    "all foreign": (body({"data": "!!!!"}), "payloads[0].data is not valid base64."),
    "one foreign": (body({"data": "eA=!"}), "payloads[0].data is not valid base64."),
    "a blank in base64": (body({"data": "eA ="}), "payloads[0].data is not valid base64."),
    "a line break in base64": (
        body({"data": "eHh4\neHh4"}),
        "payloads[0].data is not valid base64.",
    ),
    "1 modulo 4": (body({"data": "eHh4e"}), "payloads[0].data is not valid base64."),
    "too little padding": (body({"data": "eA="}), "payloads[0].data is not valid base64."),
    "too much padding": (body({"data": "eA==="}), "payloads[0].data is not valid base64."),
    "padding alone": (body({"data": "===="}), "payloads[0].data is not valid base64."),
    "padding inside": (body({"data": "eA==eA=="}), "payloads[0].data is not valid base64."),
    "mixed alphabets": (
        body({"data": "-_+/"}),
        "payloads[0].data mixes standard and URL-safe base64.",
    ),
    "mixed alphabets, one of each": (
        body({"data": "-A/A"}),
        "payloads[0].data mixes standard and URL-safe base64.",
    ),
    "the other two": (
        body({"metadata": {"a": "_A+A"}}),
        "payloads[0].metadata: value 1 mixes standard and URL-safe base64.",
    ),
    "digits of another script": (
        '{"payloads":[{"externalPayloads":[{"sizeBytes":"٣"}]}]}'.encode(),
        "payloads[0].externalPayloads[0].sizeBytes must be a 64-bit integer.",
    ),
    "sizes an object": (
        body({"externalPayloads": {}}),
        "payloads[0].externalPayloads must be an array.",
    ),
    "a size that is none": (
        body({"externalPayloads": [{}, 7]}),
        "payloads[0].externalPayloads[1] must be an object.",
    ),
    **{
        f"size {size!r}": (
            body({"externalPayloads": [{"sizeBytes": size}]}),
            "payloads[0].externalPayloads[0].sizeBytes must be a 64-bit integer.",
        )
        for size in NO_SIZES
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_and_says_which_payload_and_field(name: str) -> None:
    text, sentence = REFUSED[name]
    with pytest.raises(WireError) as caught:
        read(text)
    assert str(caught.value) == sentence


METADATA = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.binary(max_size=30),
    max_size=3,
)
PAYLOADS = st.lists(
    st.builds(
        Received,
        METADATA,
        st.one_of(st.binary(max_size=50), st.integers(4000, 6000).map(bytes)),
        st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2).map(tuple),
    ),
    max_size=4,
)


@given(PAYLOADS)
def test_writes_what_it_reads(payloads: list[Received]) -> None:
    assert read(write(map(render_received, payloads))) == payloads


@given(PAYLOADS, st.sampled_from([None, 1]), st.booleans())
def test_reads_what_the_sdk_means(
    payloads: list[Received], indent: int | None, ascii_only: bool
) -> None:
    """The same messages as protobuf's own JSON reader finds, in every layout."""
    text = json.dumps(
        json.loads(write(map(render_received, payloads))), indent=indent, ensure_ascii=ascii_only
    )
    from google.protobuf import json_format  # noqa: PLC0415, TID251 — the reference to agree with

    expected = json_format.Parse(text, Payloads())
    assert [Payload.FromString(each) for each in serialize_all(read(text.encode()))] == list(
        expected.payloads
    )


@given(PAYLOADS)
def test_opened_payloads_are_written_alike_by_both_ways(payloads: list[Received]) -> None:
    """With the metadata known beforehand, or through the message."""
    from temporal_codec.common import recognize  # noqa: PLC0415

    for payload in [*payloads, *(Received(JSON, each.data) for each in payloads)]:
        (serialized,) = serialize_all([payload])
        quick = write([wire.render_opened(Opened(serialized, recognize(serialized), ()))])
        complete = write([wire.render_opened(Opened(serialized, None, ()))])
        assert quick == complete == write([render_received(payload)])
        assert parse(serialized).data == payload.data


def test_the_answer_has_payloads_even_when_empty() -> None:
    assert write([]) == b'{"payloads":[]}'


def test_sizes_are_written_in_camel_case_as_strings() -> None:
    """The UI reads `externalPayloads[].sizeBytes`."""
    written = b"".join(render_received(Received({}, b"", (4096, 0))))
    assert written == b'{"externalPayloads":[{"sizeBytes":"4096"},{}]}'


@pytest.mark.parametrize("sizes", [(), (4096, 0)])
def test_what_was_sealed_is_written_as_any_other_payload(sizes: tuple[int, ...]) -> None:
    """With the sizes of what lies outside it, and with what its key brings."""
    brought = (("encryption-dek", b"wrapped"),)
    by = Key("key-1", bytes(32), SINCE, brought=brought)
    written = wire.sealed_renderer(by)(b"sealed", sizes)
    payload = Received({**SEALED_METADATA, **dict(brought)}, b"sealed", sizes)
    assert read(write([written])) == [payload]
    assert write([written]) == write([render_received(payload)])


SEALED_METADATA = {"encoding": b"binary/encrypted", "encryption-key-id": b"key-1"}
SEALED = {"encoding": b64(b"binary/encrypted"), "encryption-key-id": b64(b"test")}
# As the Web UI and the SDKs write it, as Go's protojson does in half of all programs, as Python's
# json does, and for people.
WRITTEN = {
    "compact": {"separators": (",", ":")},
    "a space after commas": {"separators": (", ", ":")},
    "spaces": {},
    "indented": {"indent": 2},
}
FEW = {"payloads": [{"metadata": {"encoding": b64(b"json/plain")}, "data": b64(b"7")}] * 2}
SEVERAL = {
    "payloads": [
        {"metadata": SEALED, "data": b64(b"one")},
        {"metadata": SEALED, "data": b64(b"two")},
        {"metadata": SEALED, "data": b64(b"x" * 5000)},
        {"metadata": {"encoding": b64(b"json/plain")}, "data": b64(b"null")},
        {"metadata": {}, "data": ""},
        {"metadata": SEALED, "data": b64(b"three")},
    ]
}


@pytest.mark.parametrize("written", WRITTEN)
def test_what_clients_write_is_read_quickly(written: str) -> None:
    text = json.dumps(SEVERAL, **WRITTEN[written]).encode()  # type: ignore[arg-type]
    found = quick._read_quickly(text, 6)
    assert found == strict.read(text, 6)
    assert [len(payload.data) for payload in found] == [3, 3, 5000, 4, 0, 5]
    assert quick._read_quickly(text, 5) is None


@pytest.mark.parametrize(
    "text",
    [
        # What looks like data if there is none.
        b'{"payloads":[{"metadata":{"data":"eA=="}}]}',
        b'{"payloads":[{"metadata":{"a":"","data":"eA=="}},{"metadata":{},"data":""}]}',
        b'{"payloads":[{"metadata":{"a\\"},\\"data":"eA=="},"data":"eHg="}]}',
        b'{"payloads":[{"metadata":{"a}":""},"data":"eA=="}]}',
        # Members twice, and what no JSON is.
        b'{"payloads":[{"metadata":{"a":"","a":"eA=="},"data":"eA=="}]}',
        b'{"payloads":[{"metadata":{},"metadata":{"a":""},"data":"eA=="}]}',
        b'{"payloads":[{"metadata":{},"data":"eA==","data":"eHg="}]}',
        b'{"payloads":[{"metadata":{},"data":"eA=="{"payloads":[{"metadata":{},"data":""}]}',
        b'{"payloads":[{"metadata":{},"data":"eA=="}],"payloads":[{"metadata":{},"data":""}]}',
        b'{"payloads":[{"metadata":{},"data":"eA=="}]}{"payloads":[]}',
        b'{"payloads":[{"metadata":{},"data":"eA=="},]}',
        b'{"payloads":[{"metadata":{},"data":"eA=="}\x0b]}',
        b'{"payloads":[{"metadata":{"a":"\xff"},"data":"eA=="}]}',
        b'{"payloads":[{"metadata":{"\xff":""},"data":"eA=="}]}',
        b'{"payloads":[{"metadata":{},"data":"eA==\xff"}]}',
        b'{"payloads":[{"metadata":{},"data":"eA==',
        # A metadata that would fill the memo.
        b'{"payloads":[{"metadata":{"%b":""},"data":""}]}' % (b"a" * 996),
    ],
)
def test_what_is_in_doubt_is_left_to_the_complete_way(text: bytes) -> None:
    assert quick._read_quickly(text, math.inf) is None


def test_payloads_with_one_metadata_share_it() -> None:
    """What follows from it, such as the key, is then looked up once a request."""
    one, two, *_ = wire.read(json.dumps(SEVERAL).encode())
    assert one.metadata is two.metadata


def test_nothing_of_a_request_is_kept_for_the_next() -> None:
    """Metadata that are to be sealed are plaintext as much as data are."""
    first, second = (wire.read(json.dumps(FEW).encode())[0].metadata for _ in range(2))
    assert first == second
    assert first is not second


def test_metadata_of_sealed_payloads_are_kept() -> None:
    """The Service holds them in the clear; a bounded number stays for later requests."""

    def metadata(key_id: str) -> Mapping[str, bytes]:
        body = write([render_received(Received(metadata_of(key_id), b"sealed"))])
        return wire.read(body)[0].metadata

    first, second = metadata("one"), metadata("one")
    assert first == metadata_of("one")
    assert first is second
    for number in range(300):
        assert metadata(f"other-{number}") == metadata_of(f"other-{number}")
    assert metadata("one") == first
    assert metadata("one") is not first


def mutated(text: bytes, dice: random.Random) -> bytes:
    """A body with a few places changed: mostly white space, or a member once more."""
    out = bytearray(text)
    for _ in range(dice.randint(1, 3)):
        at = dice.choice([n for n, byte in enumerate(out) if byte in b'{}[]:,"'] or [0])
        if dice.random() < 0.7:
            out[at:at] = dice.choice([b" ", b"\r\n\t", b"  "])
        else:
            length = dice.choice([0, 1, 2, 12, 40, 80])
            piece = bytes(out[at : at + length])
            out[at : at + length] = dice.choice([b"", piece * 2, dice.randbytes(2), *SEEDS])
    return bytes(out)


SEEDS = [
    b'"',
    b"\\",
    b":",
    b",",
    b"}",
    b"{}",
    b"null",
    b'"data":""',
    b'"metadata":{}',
    b'","data":"',
    b'"},{"metadata":{},"data":"',
    b'"}]}',
    b'{"payloads":[{"metadata":{},"data":"',
    b"\\u0041",
    b"\xc3\xa9",
    b"-_",
    b"==",
]


def outcome(text: bytes, reader: Any) -> Any:
    try:
        return reader(text)
    except WireError as error:
        return str(error)


@pytest.mark.parametrize("space", ["", " "])
def test_too_many_payloads_are_refused_before_any_is_looked_at(space: str) -> None:
    """Either way of reading counts first: what is wrong with one of them is not even found."""
    body = ("{" + space + '"payloads":[{},{},{"data":"!"}]}').encode()
    with pytest.raises(TooManyPayloads, match="at most 2"):
        wire.read(body, 2)
    with pytest.raises(WireError, match="payloads\\[2\\]"):
        wire.read(body, 3)


@pytest.mark.parametrize("payload", ["1", "{}", "[" * 2000 + "]" * 2000])
def test_too_many_payloads_are_counted_whatever_they_are(payload: str) -> None:
    """Also where the quick count meets what is no payload."""
    text = f'{{"payloads":[{payload},{payload},{payload}]}}'
    with pytest.raises(TooManyPayloads, match="at most 2"):
        strict.read(text.encode(), 2)


def test_too_many_payloads_are_counted_before_the_request_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To read a million and a half takes seconds, and a gigabyte."""
    monkeypatch.delattr(strict, "_document")
    with pytest.raises(TooManyPayloads, match="at most 2"):
        strict.read(body({}, {}, {}), 2)


def test_a_request_has_a_thousand_payloads_at_most() -> None:
    """Where nothing else is said of it."""
    assert len(wire.read(body(*[{}] * 1000), wire.MAX_PAYLOADS)) == 1000
    with pytest.raises(TooManyPayloads, match="at most 1000 payloads"):
        wire.read(body(*[{}] * 1001), wire.MAX_PAYLOADS)


def test_a_request_has_so_many_members_at_most() -> None:
    """Each costs a thousand times its bytes: 40,000 colons and braces are read, and no more."""
    names = {str(number): "" for number in range(40_000 - 6)}
    assert len(wire.read(body({"metadata": names, "data": ""}))[0].metadata) == len(names)
    with pytest.raises(WireError, match="A request has at most 20000 members"):
        wire.read(body({"metadata": {**names, "one more": ""}, "data": ""}))


def test_no_more_metadata_are_read_than_there_may_be_payloads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each text that differs is held until the request is answered."""
    seen = []
    real = quick._metadata

    def counted(text: bytes) -> Mapping[str, bytes]:
        seen.append(text)
        return real(text)

    monkeypatch.setattr(quick, "_metadata", counted)
    all_different = [{"metadata": {"n": b64(b"%d" % n)}, "data": "MQ=="} for n in range(50)]
    with pytest.raises(TooManyPayloads):
        wire.read(json.dumps({"payloads": all_different}).encode(), 10)
    assert len(seen) == 11


def test_a_payload_has_a_thousand_sizes_at_most() -> None:
    """A body of nothing else would take seconds to read."""
    body = '{"payloads":[{"externalPayloads":[%s]}]}'
    assert len(wire.read((body % ",".join(["{}"] * 1000)).encode())[0].sizes) == 1000
    with pytest.raises(WireError, match="more than 1000"):
        wire.read((body % ",".join(["{}"] * 1001)).encode())


def test_both_ways_agree_on_everything() -> None:
    """Whatever the quick way takes, the complete way reads alike; it refuses nothing alone."""
    dice = random.Random(20_261_123)
    texts = [text for text, _ in [*ACCEPTED.values(), *REFUSED.values()] if len(text) < 1000]
    written = [json.dumps(FEW, **how).encode() for how in WRITTEN.values()]  # type: ignore[arg-type]
    taken = 0
    for _ in range(int(os.environ.get("FUZZ", "20000"))):
        text = mutated(dice.choice(written if dice.random() < 0.8 else texts), dice)
        found = quick._read_quickly(text, math.inf)
        if found is not None:
            taken += 1
            assert outcome(text, lambda body: strict.read(body, math.inf)) == found, text
    assert taken > 4000, "too few of the mutations were well-formed to prove anything"
