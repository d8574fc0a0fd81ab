"""What every request needs is fetched before the first, side by side."""

from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

import pytest

from handlers.access.guard import Guard
from handlers.access.jwks import issuer_keys
from handlers.access.policy import PolicyAuthorizer
from handlers.access.token import Verifier
from handlers.settings.issuer import TEMPORAL_CLOUD, Trust
from handlers.settings.server import server_settings
from handlers.startup import warm
from temporal_codec import Keyring
from temporal_codec.keys.sources import RingSource
from tests.codec.rings import key


@dataclass
class Upstreams:
    """An issuer, a policy and a source of rings, whose answers wait for each other."""

    together: Barrier
    asked: list[str] = field(default_factory=list)
    fault: Exception | None = None

    def answer(self, name: str, answer: Any) -> Any:
        self.asked.append(name)
        self.together.wait(10)
        if self.fault is not None:
            raise self.fault
        return answer

    def guard(self) -> Guard:
        jwks = issuer_keys(lambda: self.answer("jwks", b'{"keys":[]}'))
        policy = PolicyAuthorizer(lambda: self.answer("policy", b'{"grants":[]}'))
        return Guard(Verifier(Trust((TEMPORAL_CLOUD,)), lambda _: jwks), policy)

    def source(self, uri: str) -> RingSource:
        return RingSource(uri, lambda _name: self.answer("ring", Keyring([key()])))


def test_all_are_fetched_at_the_same_time() -> None:
    """None is answered before all three are asked for."""
    upstreams = Upstreams(Barrier(3))
    warm([*upstreams.source("file:ring").caches(), *upstreams.guard().caches.values()])
    assert sorted(upstreams.asked) == ["jwks", "policy", "ring"]


def test_the_ring_is_not_fetched_again() -> None:
    upstreams = Upstreams(Barrier(1))
    source = upstreams.source("file:ring")
    warm(source.caches())
    source.keys("default").opening(key().id.encode())
    assert upstreams.asked == ["ring"]


def test_a_ring_for_each_namespace_waits_until_it_is_needed() -> None:
    upstreams = Upstreams(Barrier(2))
    warm([*upstreams.source("file:{namespace}").caches(), *upstreams.guard().caches.values()])
    assert sorted(upstreams.asked) == ["jwks", "policy"]


def test_a_fault_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    upstreams = Upstreams(Barrier(3), fault=OSError("down"))
    warm([*upstreams.source("file:ring").caches(), *upstreams.guard().caches.values()])
    assert len(upstreams.asked) == 3
    assert capfd.readouterr().err == ""


def test_a_snapshot_is_taken_before_anything_is_fetched() -> None:
    """SnapStart would hand the same keys to environments that start days later."""
    assert server_settings({}).warms
    assert not server_settings({"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}).warms
