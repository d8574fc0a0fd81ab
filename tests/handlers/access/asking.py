"""Asks authorizers, verifiers and key stores without a server: fetches run where they stand."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from handlers.access.authorizer import Authorizer, Decision
from handlers.access.token import KeyStore, Verifier
from temporal_codec.policy import Identity

T = TypeVar("T")


class Denied(Exception):
    """The decision names no rule."""


async def here(work: Callable[..., T], /, *args: object) -> T:
    """Run in this thread what a server runs in another."""
    return work(*args)


def run(question: Coroutine[Any, Any, T]) -> T:
    """The answer to a question that needs an event loop."""
    return asyncio.run(question)


def decided(authorizer: Authorizer, identity: Identity, namespace: str, operation: str) -> Decision:
    """The decision."""
    return run(_awaited(authorizer.decide(identity, namespace, operation, here)))


def allow(authorizer: Authorizer, identity: Identity, namespace: str, operation: str) -> str:
    """The rule that allows it; raises Denied."""
    rule = decided(authorizer, identity, namespace, operation).rule
    if rule is None:
        raise Denied
    return rule


def verified(verifier: Verifier, authorization: str, **more: str) -> Identity:
    """The caller that a request with these headers names."""
    headers = {"authorization": authorization, **more}
    encoded = {
        name.replace("_", "-").encode(): text.encode("latin-1") for name, text in headers.items()
    }
    return run(verifier.verify(encoded, here)).identity


def key(jwks: KeyStore, kid: str) -> Any:
    """The public key of this id."""
    return run(jwks.key(kid, here)).public


async def _awaited(question: Awaitable[T]) -> T:
    return await question
