"""Grants: patterns in linear time, literal domains, issuers, groups, claims, and an index."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from temporal_codec.policy import Identity, Policy, PolicyError, parse
from temporal_codec.policy.grants import Grant
from temporal_codec.policy.patterns import MAX_STARS, Pattern

ANA = Identity("auth0|1", "ana@example.com", "https://one/")


def policy(*grants: dict[str, Any], **more: Any) -> Policy:
    return parse(json.dumps({"grants": grants, **more}).encode())


def grant(**changes: Any) -> dict[str, Any]:
    return {
        "identities": ["ana@example.com"],
        "namespaces": ["*"],
        "operations": ["decode"],
        **changes,
    }


def allows(found: Policy, identity: Identity = ANA, namespace: str = "orders") -> bool:
    return found.decide(identity, namespace, "decode") is not None


EVERYBODY = ["*@*", "*@*.*", "**@**", "*@com", "*@*.com", "*@", "@example.com", "*@example.*",
             "*@ex*mple.com", "*@.com", "*@example..com", "*@-a.com", "*@a.b.*", "*@**.example.com",
             "*@example.com.", "*@127.0.0.1", "*", "*@a." + "b" * 250 + ".com",
             "*@*.co.uk", "*@*.com.au", "ana@*.ac.at"]  # fmt: skip


@pytest.mark.parametrize("identity", EVERYBODY)
def test_a_domain_is_literal(identity: str) -> None:
    """P2: with a shared issuer a pattern of domains is every customer that it has."""
    with pytest.raises(PolicyError):
        policy(grant(identities=[identity]))
    with pytest.raises(PolicyError):
        policy(grant(identities=["members:g"]), groups={"g": [identity]})


def test_sub_domains_may_be_one_label_and_are_warned_about() -> None:
    found = policy(grant(identities=["*@*.example.com"]))
    assert found.warnings == (
        "grants[0].identities: a * in a domain lets all of its sub-domains in",
    )
    for email, allowed in {
        "a@eu.example.com": True,
        "a@x.eu.example.com": True,
        "a@example.com": False,
        "a@evilexample.com": False,
        "a@eu.example.com.evil.io": False,
    }.items():
        assert allows(found, Identity("s", email, "")) is allowed, email


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("a", "a", True), ("a", "ab", False), ("*", "", True), ("*", "a@b/c d", True),
        ("**", "x", True), ("a*", "a", True), ("*a", "ba", True), ("a*a", "a", False),
        ("a*a", "aa", True), ("a*b*c", "abc", True), ("a*b*c", "acb", False),
        ("*ab*ab", "ab", False),
        ("*ab*ab", "abab", True), ("a.c", "abc", False), ("[a]", "a", False), ("a*", "A", False),
        ("*-*-*", "a-b-c-d", True), ("a**c", "abc", True), ("*x*", "abc", False), ("", "a", False),
    ],
)  # fmt: skip
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert Pattern(pattern).matches(name) is fits


class CountedText(str):
    """Text that counts how much of it is searched."""

    __slots__ = ("searched",)

    def find(self, part: str, start: Any = 0, end: Any = None) -> int:
        self.searched = getattr(self, "searched", 0) + 1
        return super().find(part, start, end)


def test_matching_never_goes_back() -> None:
    """20.5: `*-*-*-*-*.a1b2c` against a thousand dashes is one search for each star."""
    name = CountedText("t" + "-" * 995 + "x")
    assert not Pattern("*-*-*-*-*.a1b2c").matches(name)
    assert not Pattern("*-*-*-*-*x*a").matches(name)
    assert getattr(name, "searched", 0) <= 2 * MAX_STARS


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [("*", True), ("**", True), ("", False), ("a", False), ("a*", False), ("*a", False),
     ("*a*", False), ("a*b*c", False)],
)  # fmt: skip
def test_a_pattern_of_everything_is_known(pattern: str, fits: bool) -> None:
    """What `policy enforced` tells from a policy that keeps namespaces apart."""
    assert Pattern(pattern).is_any is fits
    assert Pattern(pattern).is_exact is ("*" not in pattern)


@pytest.mark.parametrize("pattern", ["*a" * 8, "a" * 1000, "é" * 500, "*" * 1000])
def test_a_pattern_may_be_as_long_as_it_says(pattern: str) -> None:
    assert policy(grant(namespaces=[pattern])).grants


@pytest.mark.parametrize("pattern", ["*a" * 9, "a" * 1001, "é" * 501])
def test_a_pattern_is_bounded(pattern: str) -> None:
    with pytest.raises(PolicyError, match=r"grants\[0\]\.namespaces: a pattern has at most"):
        policy(grant(namespaces=[pattern]))


def test_an_address_is_no_subject_and_a_group_no_address() -> None:
    """Kinds of identities never meet, whatever a token's texts look like."""
    by_subject = policy(grant(identities=["sub:ana@example.com"]))
    by_group = policy(grant(identities=["group:ana@example.com"]))
    assert not allows(by_subject)
    assert not allows(by_group)
    odd = Identity("group:x", "sub:ana@example.com", "", groups=frozenset({"sub:auth0|1"}))
    assert not allows(by_subject, odd)
    assert not allows(policy(grant(identities=["group:x"])), odd)
    assert not allows(policy(grant(identities=["sub:auth0|1"])), odd)


def test_a_grant_counts_for_the_default_issuer_unless_it_names_others() -> None:
    """A second issuer widens nothing; a named one is known by its name or its address."""
    second = Identity("auth0|1", "ana@example.com", "https://two/", issuer_name="two",
                      is_default_issuer=False)  # fmt: skip
    assert allows(policy(grant()))
    assert not allows(policy(grant()), second)
    for named in ("two", "https://two/"):
        found = policy(grant(issuers=[named]))
        assert allows(found, second)
        assert not allows(found)
    assert allows(policy(grant(issuers=["https://one/", "two"])), second)


def test_groups_of_the_token_and_of_the_document() -> None:
    member = Identity("s", None, "", groups=frozenset({"readers"}))
    assert allows(policy(grant(identities=["group:readers"])), member)
    assert not allows(policy(grant(identities=["group:reader"])), member)
    found = policy(
        grant(identities=["members:team"]), groups={"team": ["*@example.com", "group:readers"]}
    )
    assert allows(found)
    assert allows(found, member)
    assert not allows(found, Identity("s", "a@example.org", "", groups=frozenset({"team"})))


@pytest.mark.parametrize("identity", ["members:other", "members:", "group:", "sub:"])
def test_an_identity_names_somebody(identity: str) -> None:
    with pytest.raises(PolicyError, match=r"grants\[0\]\.identities"):
        policy(grant(identities=[identity]), groups={"team": ["a@example.com"]})


def test_groups_do_not_name_groups() -> None:
    with pytest.raises(PolicyError, match=r"groups\.b"):
        policy(groups={"a": ["a@example.com"], "b": ["members:a"]})


@pytest.mark.parametrize(
    ("claims", "allowed"),
    [
        ({"org": "one"}, True),
        ({"org": "two"}, True),
        ({"org": ["x", "one"]}, True),
        ({"org": "three"}, False),
        ({"org": "one two"}, False),
        ({"org": None}, False),
        ({"org": {"one": 1}}, False),
        ({"org": [["one"]]}, False),
        ({}, False),
    ],
)
def test_a_grant_can_require_claims(claims: dict[str, Any], allowed: bool) -> None:
    """Each with one of its values; a claim that is no text or list of texts has none."""
    found = policy(grant(claims={"org": ["one", "two"]}))
    assert allows(found, Identity("s", "ana@example.com", "", claims=claims)) is allowed


def test_all_required_claims_must_hold() -> None:
    found = policy(grant(claims={"scope": "codec.read", "mfa": "true"}))
    both = {"scope": "openid codec.read", "mfa": True}
    assert allows(found, Identity("s", "ana@example.com", "", claims=both))
    for missing in ({"mfa": False}, {"scope": "codec.reads"}, {"scope": ""}, {"mfa": 1}):
        assert not allows(found, Identity("s", "ana@example.com", "", claims={**both, **missing}))


@pytest.mark.parametrize("claims", [{"a": ""}, {"a": []}, {"": "x"}, {"a": [1]}, {"a": None}, []])
def test_a_required_claim_has_a_value(claims: Any) -> None:
    with pytest.raises(PolicyError):
        policy(grant(claims=claims))


@pytest.mark.parametrize("claim", ["scope", "scp"])
def test_scopes_are_a_list_in_one_text(claim: str) -> None:
    """OAuth's form; other claims are one text, blanks included."""
    both = Identity("s", "ana@example.com", "", claims={claim: "openid read", "org": "a b"})
    assert allows(policy(grant(claims={claim: "read"})), both)
    assert allows(policy(grant(claims={"org": "a b", claim: "openid read"})), both)
    assert not allows(policy(grant(claims={"org": "b"})), both)


def test_an_identity_does_not_show_its_claims() -> None:
    """K8: a log may show an identity."""
    one = Identity("s", "ana@example.com", "", claims={"secret": "canary"})
    assert "canary" not in repr(one)


def test_a_name_may_be_all_that_a_pattern_starts_with() -> None:
    """A `*` stands for nothing, too."""
    found = policy(grant(namespaces=["orders*", "orders-eu*"]))
    assert [allows(found, ANA, name) for name in ("orders", "orders-e", "order")] == [
        True,
        True,
        False,
    ]


EXPLAINED: list[tuple[dict[str, Any], int, str]] = [
    ({}, 6, "it allows"),
    ({"identities": ["b*@example.com"]}, 0, "it is not for this identity"),
    ({"identities": ["*@example.org"]}, 0, "it is not for this identity"),
    ({"issuers": ["two"]}, 1, "it does not count for this token's issuer"),
    ({"namespaces": ["o", "x*"]}, 2, "another namespace"),
    ({"operations": ["encode"]}, 3, "another operation"),
    ({"claims": {"a": "1", "b": "2"}}, 4, "the claim b does not have a value that it requires"),
    ({"reason": "required"}, 5, "it requires a reason (X-Codec-Reason)"),
    ({"reason": "optional", "claims": {"a": "1"}}, 6, "it allows"),
]


def test_a_decision_is_explained_grant_by_grant() -> None:
    """How many conditions hold, in the order in which they are looked at, and the first lacking."""
    ana = Identity("s", "ana@example.com", "", claims={"a": "1"}, purpose=" ")
    found = policy(*(grant(**changes) for changes, _, _ in EXPLAINED))
    assert list(found.explain(ana, "orders", "decode")) == [
        (met, f"grants[{number}]: {sentence}")
        for number, (_, met, sentence) in enumerate(EXPLAINED)
    ]
    assert found.decide(ana, "orders", "decode") == "grants[0]"
    for changes, met, _ in EXPLAINED:
        assert allows(policy(grant(**changes)), ana) is (met == 6)


def test_a_reason_meets_the_grant_that_requires_one() -> None:
    found = policy(grant(reason="required"))
    assert allows(found, Identity("s", "ana@example.com", "", purpose="incident 7"))


def test_the_first_grant_that_allows_is_named() -> None:
    found = policy(grant(operations=["encode"]), grant(namespaces=["a"]), grant(), grant())
    assert found.decide(ANA, "orders", "decode") == "grants[2]"
    assert found.decide(ANA, "a", "decode") == "grants[1]"


def looked_at(monkeypatch: pytest.MonkeyPatch, found: Policy, identity: Identity, name: str) -> int:
    """How many grants one decision looks at."""
    seen: list[Grant] = []

    def counted(self: Grant, _identity: Identity) -> bool:
        seen.append(self)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(Grant, "counts_for", counted)
        assert found.decide(identity, name, "decode")
    return len(seen)


def many(number: int) -> Iterator[tuple[str, Policy]]:
    """Policies of so many grants, of the kinds that people write."""
    yield "by person", policy(*(grant(identities=[f"u{n}@example.com"]) for n in range(number)))
    yield "by domain", policy(*(grant(identities=[f"*@d{n}.com"]) for n in range(number)))
    yield "by subject", policy(*(grant(identities=[f"sub:{n}"]) for n in range(number)))
    yield "by group", policy(*(grant(identities=[f"group:g{n}"]) for n in range(number)))
    named = (grant(identities=["*@example.com"], namespaces=[f"n{n}"]) for n in range(number))
    yield "by namespace", policy(*named)
    patterns = (grant(identities=["*@example.com"], namespaces=[f"n{n}-*"]) for n in range(number))
    yield "by namespaces", policy(*patterns)


ASKED = {
    "by person": (Identity("s", "u7@example.com", ""), "orders"),
    "by domain": (Identity("s", "a@d7.com", ""), "orders"),
    "by subject": (Identity("7", None, ""), "orders"),
    "by group": (Identity("s", None, "", groups=frozenset({"g7"})), "orders"),
    "by namespace": (ANA, "n7"),
    "by namespaces": (ANA, "n7-orders"),
}


def test_a_thousand_grants_cost_no_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: a decision looks at the grants that can concern it."""
    for kind, found in many(1000):
        assert looked_at(monkeypatch, found, *ASKED[kind]) == 1, kind


@pytest.mark.parametrize("made", [ANA, policy(grant()).grants[0]], ids=["identity", "grant"])
def test_who_calls_and_what_is_granted_never_change(made: Any) -> None:
    """What was verified is what is decided on."""
    for name in made.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(made, name, None)
