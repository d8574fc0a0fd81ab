"""Rotation beside an operator's changes: a change that was reported is never lost (rule K6)."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from handlers import rotation
from handlers.rotation import RotationError
from temporal_codec import Key, Keyring
from temporal_codec.cli.keys import change
from temporal_codec.cli.keys.secret import SecretStore
from tests.codec.rings import key
from tests.handlers.test_rotation import STEPS, Killed, killed_after, ring, run, stages, text
from tests.rigs.secrets_manager import Gate, client, new_secret, request_rotation

IMPORTED = key(7)
TWO = Keyring([key(1), Key("key-2", b"2" * 32, key(1).activation_date + timedelta(days=1))])


@pytest.fixture
def aws(moto: int) -> Any:
    return client(moto)


@pytest.fixture(autouse=True)
def fresh_client(secrets: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "_client", None)
    assert secrets.calls == []


def imports(store: SecretStore) -> Callable[[Keyring], bool]:
    change.add(store, IMPORTED)
    return lambda now: IMPORTED in list(now)


def rotates_now(store: SecretStore) -> Callable[[Keyring], bool]:
    added = change.rotate(store, datetime.now(UTC), at_once=True).added
    return lambda now: now.sealing(datetime.now(UTC)).id == added.id


def retires(store: SecretStore) -> Callable[[Keyring], bool]:
    change.retire(store, "key-1", datetime.now(UTC), lambda *_: True)
    return lambda now: "key-1" not in {each.id for each in now}


def disables(store: SecretStore) -> Callable[[Keyring], bool]:
    change.disable(store, "key-1", datetime.now(UTC))
    return lambda now: {each.id for each in now if each.disabled} == {"key-1"}


def restores(store: SecretStore) -> Callable[[Keyring], bool]:
    """As docs/operations.md has it: the stage goes back to what was current before."""
    change.add(store, IMPORTED)
    imported, before = store.read(), store.previous()
    assert imported
    assert before
    store.replace(imported, before)
    return lambda now: IMPORTED not in list(now)


CHANGES = [imports, rotates_now, retires, disables]


def between(calls: int, aws: Any, happens: Callable[[], None]) -> Any:
    """A client between two of whose calls something happens."""

    class Interrupted:
        made = 0

        def __getattr__(self, name: str) -> Callable[..., Any]:
            def call(**arguments: Any) -> Any:
                if self.made == calls:
                    happens()
                self.made += 1
                return getattr(aws, name)(**arguments)

            return call

    return Interrupted()


@pytest.mark.parametrize(
    ("operate", "step", "calls"),
    [
        *product([imports], STEPS[::3], range(6)),
        *product([imports], STEPS[2:3], range(4)),
        *product([rotates_now, retires, disables, restores], STEPS[3:], range(6)),
        *product([rotates_now, retires], STEPS[:1], [0, 3]),
    ],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_a_change_that_was_reported_survives_any_step(
    aws: Any,
    monkeypatch: pytest.MonkeyPatch,
    operate: Callable[[SecretStore], Callable[[Keyring], bool]],
    step: str,
    calls: int,
) -> None:
    """Whenever it is made: this rotation, or the next one, goes on from the changed ring."""
    secret = new_secret(aws, TWO.to_json())
    version = request_rotation(aws, secret)
    holds: list[Callable[[Keyring], bool]] = []
    steps = STEPS.index(step)
    run(secret, version, *STEPS[:steps])
    happens = lambda: holds.append(operate(SecretStore(secret, aws)))  # noqa: E731
    monkeypatch.setattr(rotation, "_client", between(calls, aws, happens))
    with suppress(RotationError, aws.exceptions.ClientError):
        run(secret, version, *STEPS[steps:])
    monkeypatch.setattr(rotation, "_client", aws)
    if not holds:  # the rotation made fewer calls, and is over
        holds.append(operate(SecretStore(secret, aws)))
    assert holds[0](Keyring(ring(aws, secret)))
    run(secret, request_rotation(aws, secret), *STEPS)
    assert holds[0](Keyring(ring(aws, secret)))
    assert "key-2" in {each.id for each in ring(aws, secret)}


@pytest.mark.parametrize(("operate", "calls"), list(product(CHANGES, range(1, 5))))
def test_a_command_that_is_killed_loses_no_key(
    aws: Any, operate: Callable[[SecretStore], Callable[[Keyring], bool]], calls: int
) -> None:
    """After any of its calls, in the middle of a rotation."""
    secret = new_secret(aws, TWO.to_json())
    version = request_rotation(aws, secret)
    run(secret, version, *STEPS[:3])
    with suppress(Killed):
        operate(SecretStore(secret, killed_after(calls, aws)))
    with suppress(RotationError):
        run(secret, version, "finishSecret")
    assert {"key-1", "key-2"} - {each.id for each in ring(aws, secret)} <= {"key-1"}
    run(secret, request_rotation(aws, secret), *STEPS)
    assert "key-2" in {each.id for each in ring(aws, secret)}


def test_of_two_rotations_the_later_one_counts(aws: Any) -> None:
    """The earlier one finds that its version is pending no more."""
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    first = request_rotation(aws, secret)
    run(secret, first, "createSecret")
    aws.update_secret_version_stage(
        SecretId=secret, VersionStage="AWSPENDING", RemoveFromVersionId=first
    )
    second = request_rotation(aws, secret)
    run(secret, second, "createSecret")
    with pytest.raises(RotationError):
        run(secret, first, "finishSecret")
    run(secret, second, *STEPS)
    assert stages(aws, secret)[second] == ["AWSCURRENT"]
    assert len(ring(aws, secret)) == 2


def test_a_rotation_that_took_too_long_starts_over(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than an hour late, its key would seal before every reader has it."""
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    version = request_rotation(aws, secret)
    run(secret, version, *STEPS[:3])
    later = datetime.now(UTC) + timedelta(hours=26)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return later.astimezone(tz)

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "datetime", Later)
        with pytest.raises(RotationError, match="took too long"):
            run(secret, version, "finishSecret")
        assert ring(aws, secret) == [key(1)]
        run(secret, request_rotation(aws, secret), *STEPS)
    (_, added) = ring(aws, secret)
    assert added.activation_date > later + timedelta(hours=24)


def test_a_ring_that_derives_gets_keys_that_derive(aws: Any) -> None:
    """The mark of an empty ring, as a stack makes it, is for its first key too."""
    secret = new_secret(aws, '{"keys": [], "derive": "namespace"}')
    for _ in range(2):
        run(secret, request_rotation(aws, secret), *STEPS)
    keys: list[Key] = ring(aws, secret)
    assert [each.derives for each in keys] == [True, True]
    assert '"derive":"namespace"' in text(aws, secret).replace(" ", "")
