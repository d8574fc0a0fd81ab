"""Payloads of Temporal's own proxy: data keys that AWS KMS unwraps, for listed keys alone."""

import json
import os
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from handlers.settings.environ import SettingsError
from handlers.settings.server import server_settings
from temporal_codec.encryption import sealed_metadata
from temporal_codec.keys.sources import open_source
from temporal_codec.pipeline import encode
from tests.codec.rings import plain
from tests.handlers.calls import app, call
from tests.handlers.server.test_audit import Server
from tests.handlers.server.test_multiplying import payload
from tests.rigs.references import body
from tests.rigs.secrets_manager import REGION, Gate, client

Json = dict[str, Any]


@pytest.fixture(scope="module")
def kms(moto: int) -> Any:
    return client(moto, "kms")


@pytest.fixture(scope="module")
def keys(kms: Any) -> list[str]:
    """The ARNs of two KMS keys."""
    return [kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2)]


@pytest.fixture(autouse=True)
def aws(secrets: Gate) -> Gate:
    """The functions' own AWS is a gate in front of the same KMS, which counts calls."""
    return secrets


def enveloped(
    kms: Any, arn: str, *, context: dict[str, str] | None = None, size: int = 32, uri: str = ""
) -> Json:
    """A payload as the proxy stores it."""
    secret, nonce = os.urandom(size), os.urandom(12)
    wrapped = kms.encrypt(KeyId=arn, Plaintext=secret, EncryptionContext=context or {})
    data = nonce + AESGCM(secret[:32].ljust(32, b"0")).encrypt(nonce, plain(), None)
    query = "&".join(
        [f"region={REGION}", *(f"context_{k}={quote(v)}" for k, v in (context or {}).items())]
    )
    metadata = {
        "encoding": b"binary/encrypted",
        "encryption-key-id": (uri or f"awskms:///{arn}?{query}").encode(),
        "encryption-dek": b64encode(wrapped["CiphertextBlob"]),
    }
    return payload(metadata, data)


def decrypts(secrets: Gate) -> int:
    return secrets.calls.count("Decrypt")


def undecoded(served: Any, *payloads: Json, namespace: str = "orders") -> tuple[int, str]:
    headers = {"content-type": "application/json", "x-namespace": namespace}
    reply = call(served, body=body(*payloads).encode(), headers=headers)
    return reply.status, reply.headers.get("x-codec-undecoded", "")


def test_a_listed_key_opens_and_is_asked_once(kms: Any, keys: list[str], secrets: Gate) -> None:
    """Warm there is no call: a data key is kept, by what wraps it."""
    served = app(kms_keys=f"orders={keys[0]}")
    sealed = enveloped(kms, keys[0], context={"team": "pay & ship"})
    for _ in range(3):
        assert undecoded(served, sealed, sealed) == (200, "0")
    assert decrypts(secrets) == 1


@pytest.mark.parametrize("listed", ["billing={0}", "orders={1}", "order={0}", ""])
def test_a_key_that_is_not_listed_is_never_asked(
    kms: Any, keys: list[str], secrets: Gate, listed: str
) -> None:
    """A payload names its key itself, so that decides nothing."""
    served = app(kms_keys=listed.format(*keys))
    assert undecoded(served, enveloped(kms, keys[0])) == (200, "1")
    assert decrypts(secrets) == 0


@pytest.mark.parametrize(
    "uri",
    [
        "awskms:///{arn}?region=us-east-1",
        "awskms:///{arn}?endpoint=https://evil.example",
        "awskms:///{arn}?context_a=1&context_a=2",
        "awskms:///{arn}#x",
        "awskms:///alias/x?region=eu-west-1",
        "gcpkms:///{arn}",
        "{arn}",
        "awskms:///{arn}?" + "context_a=" + "x" * 5000,
    ],
)
def test_a_uri_that_leads_elsewhere_is_refused(
    kms: Any, keys: list[str], secrets: Gate, uri: str
) -> None:
    """No other region, account or endpoint, and nothing that can be read in two ways."""
    served = app(kms_keys=f"*={keys[0]}")
    assert undecoded(served, enveloped(kms, keys[0], uri=uri.format(arn=keys[0]))) == (200, "1")
    assert decrypts(secrets) == 0


def change(name: str, value: bytes) -> Callable[[Json], Json]:
    def changed(sealed: Json) -> Json:
        metadata = {**sealed["metadata"], name: b64encode(value).decode()}
        return {**sealed, "metadata": metadata}

    return changed


@pytest.mark.parametrize(
    "changed",
    [
        change("encryption-dek", b""),
        change("encryption-dek", b"!!!"),
        change("encryption-dek", b64encode(os.urandom(200))),
        change("encryption-dek", b64encode(bytes(1_000_000))),
    ],
    ids=["empty", "no base64", "garbage", "a megabyte"],
)
def test_a_wrapped_key_that_is_wrong_is_undecoded(
    kms: Any, keys: list[str], changed: Callable[[Json], Json]
) -> None:
    served = app(kms_keys=f"*={keys[0]}")
    good = enveloped(kms, keys[0])
    assert undecoded(served, changed(good), good) == (200, "1")


@pytest.mark.parametrize("size", [16, 31, 33])
def test_a_data_key_of_another_length_is_undecoded(kms: Any, keys: list[str], size: int) -> None:
    served = app(kms_keys=f"*={keys[0]}")
    assert undecoded(served, enveloped(kms, keys[0], size=size)) == (200, "1")


def test_another_context_is_refused(kms: Any, keys: list[str]) -> None:
    """KMS binds the wrapped key to it."""
    sealed = enveloped(kms, keys[0], context={"team": "pay"})
    other = enveloped(kms, keys[0], context={"team": "ship"})["metadata"]["encryption-key-id"]
    changed = {**sealed, "metadata": {**sealed["metadata"], "encryption-key-id": other}}
    assert undecoded(app(kms_keys=f"*={keys[0]}"), changed) == (200, "1")


def test_an_outage_is_503_and_what_was_unwrapped_serves_on(
    kms: Any, keys: list[str], secrets: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with rings: 503 for the whole request, and never for what is held."""
    served = app(kms_keys=f"*={keys[0]}")
    known, unknown = enveloped(kms, keys[0]), enveloped(kms, keys[0])
    assert undecoded(served, known) == (200, "0")
    monkeypatch.setattr(secrets, "moto_port", 1)
    assert undecoded(served, known) == (200, "0")
    assert undecoded(served, known, unknown)[0] == 503


def test_the_questions_of_one_request_are_bounded(kms: Any, keys: list[str], secrets: Gate) -> None:
    """A thousand data keys in one request would be a thousand calls."""
    served = app(kms_keys=f"*={keys[0]}")
    many = [enveloped(kms, keys[0]) for _ in range(40)]
    assert undecoded(served, *many) == (200, "8")
    assert decrypts(secrets) == 32


def test_a_ring_of_kms_encodes_and_decodes(keys: list[str], secrets: Gate) -> None:
    """For its own namespace alone, even where the same key is listed for every namespace."""
    served = app(open_source(f"kms:{keys[0]}"), kms_keys=f"*={keys[0]}")
    headers = {"content-type": "application/json", "x-namespace": "orders"}
    plaintext = body(payload({"encoding": b"json/plain"}, b"1")).encode()
    sealed = call(served, "/encode", plaintext, headers=headers)
    assert b"encryption-dek" in sealed.body
    for _ in range(3):
        assert call(served, body=sealed.body, headers=headers).json() == json.loads(plaintext)
    foreign = call(served, body=sealed.body, headers={**headers, "x-namespace": "billing"})
    assert foreign.headers["x-codec-undecoded"] == "1"
    assert (secrets.calls.count("GenerateDataKey"), decrypts(secrets)) == (1, 1)


def test_a_record_names_the_key_and_what_was_read(keys: list[str]) -> None:
    """By the ARN, and by digests that who may use the key can compute."""
    source = open_source(f"kms:{keys[0]}")
    key, server = source.keys("default").sealing(), Server(source=source)
    (data,) = encode([plain()], key)
    call(server.app(), body=body(payload(sealed_metadata(key), data)).encode())
    record = server.record()
    assert (record["keys"], record["read"]) == ({keys[0]: 1}, [key.digest(data)])


@pytest.mark.parametrize(
    "wrong",
    ["x", "orders=alias/x", "=arn", "orders=", "orders=arn:aws:kms:eu-west-1:1:key/x", ","],
)
def test_a_wrong_list_stops_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="CODEC_KMS_KEYS"):
        server_settings({"CODEC_KMS_KEYS": wrong})
