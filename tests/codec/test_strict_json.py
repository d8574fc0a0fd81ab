"""JSON of people and strangers: how a file is encoded."""

import pytest

from temporal_codec.strict_json import NotStrict, encoding_of, read_document, read_object

TEXT = '{"a": "ä"}'
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "utf-32-be": "UTF-32",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_encoding_of_a_file_is_known_with_and_without_a_byte_order_mark(encoding: str) -> None:
    assert encoding_of(TEXT.encode(encoding)) == ENCODINGS[encoding]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_document_is_utf8_and_any_other_encoding_is_named(encoding: str) -> None:
    """A byte order mark is accepted where people write, and nowhere else."""
    text = TEXT.encode(encoding)
    if encoding.startswith("utf-8"):
        assert read_document(text, dict) == {"a": "ä"}
    for read in (lambda: read_document(text, dict), lambda: read_object(text)):
        if encoding in {"utf-8", "utf-8-sig"}:
            continue
        with pytest.raises(NotStrict, match=f"it is {ENCODINGS[encoding]}: save it as UTF-8"):
            read()
    with pytest.raises(NotStrict, match="it is not valid UTF-8: save it as UTF-8"):
        read_document(TEXT.encode("latin-1"), dict)
    with pytest.raises(NotStrict, match="not JSON"):
        read_object(TEXT.encode("utf-8-sig"))
