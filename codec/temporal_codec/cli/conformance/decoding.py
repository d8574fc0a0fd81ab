"""Decoding and encoding: what the Web UI, the CLI and the SDKs send, and get back."""

import json

from temporal_codec.cli.conformance.answers import contents, payloads, same
from temporal_codec.cli.conformance.check import Check, Level, Skipped, expect
from temporal_codec.cli.conformance.server import Json, Server, plain, written
from temporal_codec.cli.conformance.vectors import vectors

DOCS = "https://docs.temporal.io/codec-server"
UI = "https://github.com/temporalio/ui/blob/main/src/lib/services/data-encoder.ts"
GO = "https://github.com/temporalio/sdk-go/blob/master/converter/codec.go"
PROTO = "https://github.com/temporalio/api/blob/master/temporal/api/common/v1/message.proto"
_TEXTS = ("first", "second", "third", "fourth", "fifth")
_SEARCH = {
    "metadata": {"encoding": "anNvbi9wbGFpbg==", "type": "S2V5d29yZA=="},
    "data": "ImJsdWUi",
}
_MARKER = {"metadata": {"encoding": "YmluYXJ5L251bGw="}}


def _decodes(server: Server) -> None:
    found = payloads(server.post({"payloads": server.sealed("hello")}), 1)
    same(found, [written(plain("hello"))])


def _round_trip(server: Server) -> None:
    sent = [written(plain(text)) for text in _TEXTS[:2]]
    encoded = payloads(server.post({"payloads": sent}, "/encode"), 2)
    expect(all(contents(each) not in map(contents, sent) for each in encoded), "it is not encoded")
    same(payloads(server.post({"payloads": encoded}), 2), sent)


def _order(server: Server) -> None:
    found = payloads(server.post({"payloads": server.sealed(*_TEXTS)}), len(_TEXTS))
    same(found, [written(plain(text)) for text in _TEXTS])


def _passthrough(server: Server) -> None:
    sent: list[Json] = [_SEARCH, _MARKER, written(plain("never encoded"))]
    same(payloads(server.post({"payloads": sent}), 3), sent)


def _mixed(server: Server) -> None:
    one, two = server.sealed("one", "two")
    found = payloads(server.post({"payloads": [one, _SEARCH, two]}), 3)
    same(found, [written(plain("one")), _SEARCH, written(plain("two"))])


def _cli(server: Server) -> None:
    body = json.dumps({"payloads": server.sealed("cli")}).encode()
    headers = {
        "Content-Type": "application/json",
        "X-Namespace": server.namespace,
        "User-Agent": "Go-http-client/1.1",
        **({"Authorization": f"Bearer {server.token}"} if server.token else {}),
    }
    same(payloads(server.send("POST", "/decode", body, headers), 1), [written(plain("cli"))])


def _query(server: Server) -> None:
    body = {"payloads": server.sealed("query")}
    answer = server.post(body, "/decode?preserveStorageRefs=true")
    same(payloads(answer, 1), [written(plain("query"))])


def _strict_members(server: Server) -> None:
    answer = server.post({"payloads": server.sealed("members")})
    (payload,) = payloads(answer, 1)
    more = set(json.loads(answer.body)) - {"payloads"}
    more |= set(payload) - {"metadata", "data", "externalPayloads", "external_payloads"}
    expect(not more, f"the answer has members that the message lacks: {len(more)}")


def _without_members(server: Server) -> None:
    sent: list[Json] = [_MARKER, {}, {"metadata": {}}, {"data": ""}]
    same(payloads(server.post({"payloads": sent}), 4), sent)


def _snake(server: Server) -> None:
    sent = {**_SEARCH, "external_payloads": [{"size_bytes": 5}]}
    same(payloads(server.post({"payloads": [sent]}), 1), [sent])


def _camel(server: Server) -> None:
    sent = {**_SEARCH, "externalPayloads": [{"sizeBytes": "5"}]}
    same(payloads(server.post({"payloads": [sent]}), 1), [sent])


def _emits_camel(server: Server) -> None:
    sent = {**_SEARCH, "externalPayloads": [{"sizeBytes": "5"}]}
    (found,) = payloads(server.post({"payloads": [sent]}), 1)
    expect(found.get("externalPayloads") == [{"sizeBytes": "5"}], "it is dropped or spelled anew")


def _content_type(server: Server) -> None:
    kind = server.post({"payloads": []}).header("content-type")
    expect(kind.partition(";")[0].strip().lower() == "application/json", f"it is {kind or 'none'}")


def _vectors(server: Server) -> None:
    if not server.known.is_samples:
        raise Skipped("the vectors need the samples' key")
    for vector in vectors():
        if vector["level"] == Level.MUST:
            sent, expected = vector["request"]["payloads"], vector["expect"]["payloads"]
            found = payloads(server.post({"payloads": sent}), len(sent))
            same(found, expected, f"{vector['name']}: payload")


def _observed_vectors(server: Server) -> str:
    if not server.known.is_samples:
        raise Skipped("the vectors need the samples' key")
    decoded = []
    for vector in vectors():
        if vector["level"] == Level.OBSERVED:
            answer = server.post(vector["request"])
            if answer.status == 200 and _equal(payloads(answer), vector["expect"]["payloads"]):
                decoded.append(vector["name"])
    return f"decoded: {', '.join(decoded) or 'none'}"


def _equal(found: list[Json], expected: list[Json]) -> bool:
    return list(map(contents, found)) == list(map(contents, expected))


CHECKS = (
    Check(1, Level.MUST, "POST /decode decrypts a payload.", DOCS, _decodes),
    Check(2, Level.MUST, "/decode gives back what /encode made.", DOCS, _round_trip),
    Check(3, Level.MUST, "A response has every payload, in order.", GO, _order),
    Check(4, Level.MUST, "Payloads that are not encoded are returned unchanged.", UI, _passthrough),
    Check(5, Level.MUST, "Encoded and other payloads may be mixed.", UI, _mixed),
    Check(6, Level.MUST, "The CLI's request, without an Origin, is served.", GO, _cli),
    Check(7, Level.MUST, "The query preserveStorageRefs is accepted.", UI, _query),
    Check(8, Level.MUST, "A response has no unknown members.", GO, _strict_members),
    Check(9, Level.MUST, "Empty metadata and data may be left out.", GO, _without_members),
    Check(10, Level.MUST, "external_payloads is accepted in snake case.", PROTO, _snake),
    Check(11, Level.MUST, "externalPayloads is accepted in camel case.", PROTO, _camel),
    Check(12, Level.SHOULD, "externalPayloads is kept, in camel case.", UI, _emits_camel),
    Check(13, Level.SHOULD, "The Content-Type is application/json.", DOCS, _content_type),
    Check(14, Level.MUST, "Payloads of the official samples decode.", DOCS, _vectors),
    Check(15, Level.OBSERVED, "Other formats of the samples.", DOCS, _observed_vectors),
)
