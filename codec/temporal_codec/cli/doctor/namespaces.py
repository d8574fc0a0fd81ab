"""Two namespaces: whether the server's keys keep them apart, or only its policy."""

from collections.abc import Iterator
from dataclasses import replace

from temporal_codec.cli.doctor.finding import Finding, ok, warning
from temporal_codec.cli.doctor.payloads import read_payloads
from temporal_codec.cli.doctor.probe import PLAIN, Probe

SHARED = warning(
    "keys-shared",
    "What the server encrypts for the namespace {namespace} it also decrypts for {other}.",
    "A caller that may decode one of them can decode the payloads of the other, whatever the "
    "policy says. Use keys that keep namespaces apart: docs/keys.md.",
)
APART = ok(
    "keys-apart",
    "What the server encrypts for the namespace {namespace} it does not decrypt for {other}.",
)
NOT_COMPARED = warning(
    "keys-not-compared",
    "The server rejects /decode for {other} ({status}), so its keys cannot be compared.",
    "Use a token that may decode both namespaces.",
)


def check_namespaces(probe: Probe) -> Iterator[Finding]:
    """Check that another namespace's readers cannot decode, if the user named one."""
    other = probe.target.other
    if other is None or probe.main.status != 200:
        return
    sealed = probe.post("encode")
    if sealed.status != 200:
        return  # another finding says so
    encoded = yield from read_payloads(sealed, "encode")
    elsewhere = Probe(replace(probe.target, namespace=other), probe.connection, probe.clock)
    answer = elsewhere.post("decode", sealed.body)
    if answer.status != 200:
        yield NOT_COMPARED(other=other, status=answer.status)
        return
    came = yield from read_payloads(answer, "decode")
    if came is not None and encoded != PLAIN:
        kind = SHARED if came == PLAIN else APART
        yield kind(namespace=probe.target.namespace, other=other)
