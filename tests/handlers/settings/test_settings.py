"""Settings: a wrong one stops the start and is named; its value is never shown."""

from collections.abc import Mapping

import pytest

from handlers.server.cors import Cors
from handlers.settings.cors import preflight_settings
from handlers.settings.environ import NAMES, SettingsError
from handlers.settings.local import local_settings
from handlers.settings.server import server_settings

LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "decode"}


def test_the_defaults_are_a_laptop_s() -> None:
    settings = server_settings({})
    assert settings.keyring == "development"
    assert settings.operations == ("decode", "encode")
    assert settings.default_namespace == "default"
    assert not settings.strict
    assert not settings.compress
    for origin in ("http://localhost:8233", "http://127.0.0.1:8233", "http://localhost:8080"):
        assert origin in settings.cors.origins
    local = local_settings({})
    assert (local.host, local.port, local.tls_cert) == ("127.0.0.1", 8081, None)


def test_every_setting_is_read() -> None:
    settings = server_settings(
        {
            "CODEC_AUTH": "none",
            "CODEC_COMPRESSION": "zlib",
            "CODEC_DEFAULT_NAMESPACE": "",
            "CODEC_KEYRING": "file:ring.json",
            "CODEC_OPERATIONS": "decode",
            "CODEC_ORIGINS": "https://cloud.temporal.io, https://ui.example.com:8443",
            "CODEC_STRICT": "true",
        }
    )
    assert settings.compress
    assert settings.strict
    assert settings.default_namespace is None
    assert settings.keyring == "file:ring.json"
    assert settings.operations == ("decode",)
    assert settings.cors.origins == {"https://cloud.temporal.io", "https://ui.example.com:8443"}


def test_a_bucket_brings_download() -> None:
    """Where there is none nothing is followed; where nothing is decoded, nothing is fetched."""
    assert server_settings({}).storage is None
    settings = server_settings(
        {
            "CODEC_STORAGE_BUCKETS": "payloads,more.payloads-2",
            "CODEC_STORAGE_DRIVERS": "aws.s3driver,eu/second",
            "CODEC_STORAGE_SHARED": "true",
        }
    )
    assert settings.storage is not None
    assert settings.storage.buckets == {"payloads", "more.payloads-2"}
    assert settings.storage.drivers == {"aws.s3driver", "eu/second"}
    assert settings.storage.shared
    assert settings.operations == ("decode", "encode", "download")
    encoding = {"CODEC_STORAGE_BUCKETS": "payloads", "CODEC_OPERATIONS": "encode"}
    assert server_settings(encoding).operations == ("encode",)


WRONG = [
    {"CODEC_OPERATIONS": "decode,download"},
    {"CODEC_STORAGE_BUCKETS": "s3cret/"},
    {"CODEC_STORAGE_BUCKETS": "payloads,"},
    {"CODEC_STORAGE_BUCKETS": "Payloads"},
    {"CODEC_STORAGE_BUCKETS": "arn:aws:s3:eu-west-1:123456789012:accesspoint/payloads"},
    {"CODEC_DEFAULT_NAMESPACE": "x" * 1001},
    {"CODEC_STORAGE_BUCKETS": "payloads--euw1-az1--x-s3"},
    {"CODEC_STORAGE_DRIVERS": ""},
    {"CODEC_STORAGE_DRIVERS": "a, b"},
    {"CODEC_STORAGE_SHARED": "yes"},
    {"CODEC_AUTH": "jwt-s3cret"},
    {"CODEC_AUTH": "JWT"},
    {"CODEC_AUTH": ""},
    {"CODEC_COMPRESSION": "s3cret"},
    {"CODEC_OPERATIONS": "decode,s3cret"},
    {"CODEC_OPERATIONS": ""},
    {"CODEC_STRICT": "s3cret"},
    {"CODEC_STRICT": "True"},
    *(
        {"CODEC_ORIGINS": origin}
        for origin in (
            "",
            "*",
            "null",
            "s3cret",
            "https://*.example.com",
            "https://a.example.com/",
            "https://a.example.com/path",
            "https://A.example.com",
            "https://a.example.com:443",
            "https://a.example.com https://b.example.com",
            "https://a.example.com,",
            "http://a.example.com",
            "http://localhost.evil.io",
            "http://localhost:80",
            "http://127.0.0.1.evil.io",
            "https://user@a.example.com",
            "https://a.example.com\nhttps://b.example.com",
            "ftp://a.example.com",
        )
    ),
]


@pytest.mark.parametrize("environ", WRONG, ids=str)
def test_a_wrong_setting_is_named_and_not_shown(environ: Mapping[str, str]) -> None:
    """C3 for the origins."""
    ((name, _),) = environ.items()
    with pytest.raises(SettingsError, match=name) as caught:
        server_settings(environ)
    assert "s3cret" not in str(caught.value)


def test_an_unknown_setting_is_named() -> None:
    """A misspelled setting must not be silently the default."""
    for read in (server_settings, preflight_settings):
        with pytest.raises(SettingsError, match="unknown setting CODEC_ORIGIN;"):
            read({"CODEC_ORIGIN": "https://a.example.com"})


def test_every_known_setting_is_documented() -> None:
    assert "CODEC_KEYRING" in NAMES
    assert sorted(NAMES) == sorted(name for name in NAMES if name.startswith("CODEC_"))


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "CODEC_AUTH"),
        ({"CODEC_KEYRING": "file:x"}, "CODEC_AUTH"),
        ({"CODEC_AUTH": "none", "CODEC_KEYRING": "file:x"}, "CODEC_AUTH"),
        ({"AWS_SAM_LOCAL": "false"}, "CODEC_AUTH"),
        ({"AWS_SAM_LOCAL": "True"}, "CODEC_AUTH"),
    ],
)
def test_an_open_decoder_does_not_start_on_lambda(environ: Mapping[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=f"{named}.* is refused on Lambda"):
        server_settings({**LAMBDA, **environ})


def test_on_lambda_it_starts_with_tokens_and_keys_of_ones_own() -> None:
    own = {"CODEC_AUTH": "jwt", "CODEC_KEYRING": "secretsmanager:temporal-codec/default"}
    assert server_settings({**LAMBDA, **own}).access is not None
    with pytest.raises(SettingsError, match="CODEC_KEYRING=development is refused on Lambda"):
        server_settings({**LAMBDA, "CODEC_AUTH": "jwt"})


def test_temporal_cloud_is_trusted_by_default() -> None:
    access = server_settings({"CODEC_AUTH": "jwt"}).access
    assert access is not None
    assert access.trust.issuers[0].issuer == "https://login.tmprl.cloud/"
    assert access.trust.issuers[0].jwks_url == "https://login.tmprl.cloud/.well-known/jwks.json"
    assert access.trust.issuers[0].audiences == ("https://saas-api.tmprl.cloud",)
    assert access.trust.issuers[0].email_claim == "https://saas-api.tmprl.cloud/user/email"
    assert access.policy is None
    assert not access.passes_through


OWN_ISSUER = {
    "CODEC_AUTH": "jwt",
    "CODEC_ISSUER": "https://issuer.example.com/",
    "CODEC_JWKS_URL": "https://issuer.example.com/jwks.json",
    "CODEC_AUDIENCES": "codec,other",
}


def test_an_issuer_of_ones_own() -> None:
    access = server_settings({**OWN_ISSUER, "CODEC_EMAIL_CLAIM": "email"}).access
    assert access is not None
    assert access.trust.issuers[0].audiences == ("codec", "other")
    assert access.trust.issuers[0].email_claim == "email"


def test_the_address_is_in_the_standard_claim_of_ones_own_issuer() -> None:
    """Temporal Cloud's claim is the default for Temporal Cloud alone."""
    access = server_settings(OWN_ISSUER).access
    assert access is not None
    assert access.trust.issuers[0].email_claim == "email"


@pytest.mark.parametrize("audiences", [",", "a,", ",a", "a,,b", " , a"])
def test_an_empty_audience_is_refused(audiences: str) -> None:
    """It would match a token that names none."""
    with pytest.raises(SettingsError, match="CODEC_AUDIENCES"):
        server_settings({**OWN_ISSUER, "CODEC_AUDIENCES": audiences})


def test_audiences_may_have_blanks_between_them() -> None:
    access = server_settings({**OWN_ISSUER, "CODEC_AUDIENCES": "codec, other"}).access
    assert access is not None
    assert access.trust.issuers[0].audiences == ("codec", "other")


def test_permissions_of_a_shared_issuer_are_refused() -> None:
    """Every customer of Temporal Cloud has tokens of its issuer."""
    with pytest.raises(SettingsError, match="CODEC_AUTHORIZER=permissions-claim"):
        server_settings({"CODEC_AUTH": "jwt", "CODEC_AUTHORIZER": "permissions-claim"})
    cloud = {**OWN_ISSUER, "CODEC_ISSUER": "https://login.tmprl.cloud/"}
    with pytest.raises(SettingsError, match="CODEC_AUTHORIZER=permissions-claim"):
        server_settings({**cloud, "CODEC_AUTHORIZER": "permissions-claim"})


@pytest.mark.parametrize("uri", ["file:trust.json", "ssm:/trust"])
def test_a_trust_document_replaces_the_issuer(uri: str) -> None:
    access = server_settings({"CODEC_AUTH": "jwt", "CODEC_TRUST": uri}).access
    assert access is not None
    assert (access.trust_document, access.trust.issuers) == (uri, ())
    for other in ({**OWN_ISSUER}, {"CODEC_EMAIL_CLAIM": "email"}):
        with pytest.raises(SettingsError, match="CODEC_TRUST"):
            server_settings({"CODEC_AUTH": "jwt", **other, "CODEC_TRUST": uri})
    with pytest.raises(SettingsError, match="CODEC_TRUST"):
        server_settings({"CODEC_AUTH": "jwt", "CODEC_TRUST": "https://s3cret"})


@pytest.mark.parametrize(
    "uri",
    [
        "file:jwks.json",
        "file:a folder/jwks & $x.json",
        "https://issuer.example.com/jwks",
        "https://[2001:db8::1]:8443/jwks",
        "https://issuer.example.com:65535",
    ],
)
def test_keys_may_be_in_a_file(uri: str) -> None:
    assert server_settings({**OWN_ISSUER, "CODEC_JWKS_URL": uri}).access is not None


def test_policies_come_from_three_places() -> None:
    for uri in ("file:policy.json", "ssm:/policy", "s3:bucket/a/policy.json"):
        access = server_settings({"CODEC_AUTH": "jwt", "CODEC_POLICY": uri}).access
        assert access is not None
        assert access.policy == uri
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:policy"
    wrong = (
        "s3:bucket",
        "s3:/key",
        "s3:bucket/",
        "s3:s3://bucket/key",
        "s3:arn:aws:s3:::bucket/key",
    )
    for uri in (*wrong, "ssm:arn:aws:ssm", f"ssm:{arn}", "file:"):
        with pytest.raises(SettingsError, match="CODEC_POLICY"):
            server_settings({"CODEC_AUTH": "jwt", "CODEC_POLICY": uri})


def test_temporal_cloud_decides_with_an_api_key() -> None:
    """The setting names the secret; the key itself is never in the environment."""
    chosen = {"CODEC_AUTH": "jwt", "CODEC_AUTHORIZER": "temporal-cloud"}
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:cloud-AbCdEf"
    for name in ("temporal/cloud-api-key", arn):
        access = server_settings({**chosen, "CODEC_CLOUD_API_KEY": f"secretsmanager:{name}"}).access
        assert access is not None
        assert access.cloud_api_key == name

    other = arn.replace("secretsmanager", "ssm").replace("secret:", "parameter/")
    for name in (other, f"{arn}:key::"):
        with pytest.raises(SettingsError, match="CODEC_CLOUD_API_KEY"):
            server_settings({**chosen, "CODEC_CLOUD_API_KEY": f"secretsmanager:{name}"})


@pytest.mark.parametrize("authorizer", ["policy", "permissions-claim", "temporal-cloud"])
@pytest.mark.parametrize(
    "uri",
    [
        *("", "s3cret", "env:s3cret", "secretsmanager:", "secretsmanager:a b", "ssm:s3cret"),
        *("secretsmanager:s3cret", "secretsmanager:s3cret\n", "secretsmanager:" + "s3cret" * 400),
    ],
    ids=lambda uri: uri[:30],
)
def test_an_api_key_belongs_to_that_authorizer(authorizer: str, uri: str) -> None:
    """Required with it, refused without it, and never shown."""
    environ = {**OWN_ISSUER, "CODEC_AUTHORIZER": authorizer, "CODEC_CLOUD_API_KEY": uri}
    fits = uri == "secretsmanager:s3cret" if authorizer == "temporal-cloud" else uri == ""
    if fits:
        assert server_settings(environ).access is not None
        return
    with pytest.raises(SettingsError, match="CODEC_CLOUD_API_KEY") as caught:
        server_settings(environ)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"CODEC_ISSUER": ""},
        {"CODEC_JWKS_URL": ""},
        {"CODEC_AUDIENCES": ""},
        {"CODEC_JWKS_URL": "http://issuer.example.com/jwks.json"},
        {"CODEC_JWKS_URL": "https://"},
        {"CODEC_JWKS_URL": "https://issuer.example.com:65536/jwks.json"},
        {"CODEC_POLICY": "policy.json"},
        {"CODEC_POLICY": "http://x"},
        {"CODEC_AUTHORIZER": "anybody"},
        {"CODEC_ON_DENY": "allow"},
    ],
    ids=str,
)
def test_half_a_trust_is_none(changes: dict[str, str]) -> None:
    """All three, or none: a mixture would trust one issuer's keys for another's tokens."""
    with pytest.raises(SettingsError, match="CODEC_"):
        server_settings({**OWN_ISSUER, **changes})


PUBLIC = {"HOST": "0.0.0.0", "CODEC_AUTH": "jwt", "CODEC_KEYRING": "file:ring"}
CERTIFICATE = {"TLS_CERT": "c", "TLS_KEY": "k"}


@pytest.mark.parametrize("tls", [CERTIFICATE, {"CODEC_TLS": "terminated"}], ids=str)
def test_beyond_loopback_with_tokens_and_tls(tls: dict[str, str]) -> None:
    """TLS ends in this process or in a proxy; the keys are not everybody's."""
    assert local_settings({**PUBLIC, **tls}).host == "0.0.0.0"
    missing = ({"CODEC_AUTH": "none"}, dict.fromkeys(tls, ""), {"CODEC_KEYRING": "development"})
    for each in missing:
        with pytest.raises(SettingsError, match=r"HOST beyond loopback|CODEC_TLS"):
            local_settings({**PUBLIC, **tls, **each})


def test_a_certificate_is_for_this_process() -> None:
    with pytest.raises(SettingsError, match="exclude each other"):
        local_settings({**PUBLIC, **CERTIFICATE, "CODEC_TLS": "terminated"})


def test_an_open_server_uses_the_development_ring() -> None:
    """In a container, loopback is not this machine's: the user states who can reach it."""
    in_words = {"HOST": "0.0.0.0", "CODEC_OPEN": "i-understand"}
    assert local_settings(in_words).host == "0.0.0.0"
    for changes in (
        {"CODEC_OPEN": "true"},
        {"CODEC_KEYRING": "file:ring"},
        {"CODEC_AUTH": "jwt"},
    ):
        with pytest.raises(SettingsError, match="CODEC_OPEN"):
            local_settings({**in_words, **changes})


def test_trusted_proxies_are_addresses_and_networks() -> None:
    given = {"CODEC_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1,fd00::/8"}
    assert local_settings(given).trusted_proxies == ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8")


@pytest.mark.parametrize("proxies", ["*", "proxy.example", "0.0.0.0/0", "::/0", "10.0.0.1/8", "x,"])
def test_not_everybody_is_a_trusted_proxy(proxies: str) -> None:
    with pytest.raises(SettingsError, match="CODEC_TRUSTED_PROXIES"):
        local_settings({"CODEC_TRUSTED_PROXIES": proxies})


@pytest.mark.parametrize("workers", ["0", "65", "two", "-1", "1.5"])
def test_workers_are_a_small_number(workers: str) -> None:
    with pytest.raises(SettingsError, match="WORKERS must be a number from 1 to 64"):
        local_settings({"WORKERS": workers})


def test_pages_may_send_more_headers() -> None:
    """Tracing and gateways add their own, and a preflight that does not name them blocks all."""
    names = "traceparent, Baggage,cf-access-token,X_Team,x.span"
    settings = preflight_settings({"CODEC_ALLOWED_HEADERS": names})
    allowed = Cors(settings.cors).preflight_headers("http://localhost:8233")
    assert allowed["access-control-allow-headers"] == (
        "authorization, authorization-extras, baggage, cf-access-token, content-type, "
        "traceparent, x-namespace, x.span, x_team"
    )


@pytest.mark.parametrize(
    "names",
    ["*", "a,*", "a b", "a,,b", "a\r\nb", "x" * 65, ",".join(f"x{n}" for n in range(33)), "é"],
)
def test_more_headers_are_names(names: str) -> None:
    """Never `*`: with credentials it means a header of that name."""
    with pytest.raises(SettingsError, match="CODEC_ALLOWED_HEADERS"):
        preflight_settings({"CODEC_ALLOWED_HEADERS": names})


def test_sam_local_may_be_open() -> None:
    assert server_settings({**LAMBDA, "AWS_SAM_LOCAL": "true"}).keyring == "development"


def test_the_preflight_function_needs_no_keys_and_no_tokens() -> None:
    assert "http://localhost:8233" in preflight_settings(LAMBDA).cors.origins


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "codec.example.com"])
def test_a_host_beyond_loopback_is_refused_without_tokens(host: str) -> None:
    with pytest.raises(SettingsError, match="HOST beyond loopback requires CODEC_AUTH=jwt"):
        local_settings({"HOST": host})


@pytest.mark.parametrize("port", ["x", "-1", "65536", "8081 ", "٣", "1e3"])
def test_a_port_is_a_number(port: str) -> None:
    with pytest.raises(SettingsError, match="PORT"):
        local_settings({"PORT": port})


@pytest.mark.parametrize("environ", [{"TLS_CERT": "a"}, {"TLS_KEY": "a"}])
def test_certificate_and_key_belong_together(environ: Mapping[str, str]) -> None:
    with pytest.raises(SettingsError, match="belong together"):
        local_settings(environ)
