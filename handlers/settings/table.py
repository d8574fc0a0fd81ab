"""The table of settings, as docs/settings.md shows it; it needs no library, for preflight."""

from collections.abc import Mapping
from typing import NamedTuple

from handlers.settings.hosting import HOSTING


class Setting(NamedTuple):
    """A setting, as its reader and its reference need it."""

    name: str
    default: str  # empty means that the setting is unset
    meaning: str
    example: str
    choices: tuple[str, ...] = ()


SECTIONS: Mapping[str, tuple[Setting, ...]] = {
    "Payloads": (
        Setting(
            "CODEC_KEYRING",
            "development",
            "Where the keys are (keys.md). `{namespace}` in it stands for the request's namespace.",
            "secretsmanager:temporal-codec/{namespace}",
        ),
        Setting(
            "CODEC_SHARED_RINGS",
            "",
            "Rings that namespaces share for Nexus, as `URI=NAMESPACE,...`; see workers.md.",
            "file:a.json=orders,billing",
        ),
        Setting("CODEC_OPERATIONS", "decode,encode", "The operations that are served.", "decode"),
        Setting(
            "CODEC_DEFAULT_NAMESPACE",
            "default",
            "The namespace of a request without the header `X-Namespace`. "
            "If it is empty, such a request is rejected.",
            "orders-prod.a1b2c",
        ),
        Setting(
            "CODEC_STRICT",
            "false",
            "Whether one payload that cannot be decoded fails the whole request. "
            "By default it is returned unchanged.",
            "true",
            ("false", "true"),
        ),
        Setting(
            "CODEC_COMPRESSION",
            "none",
            "How encode compresses a payload before it encrypts it.",
            "zlib",
            ("none", "zlib"),
        ),
        Setting(
            "CODEC_KMS_KEYS",
            "",
            "KMS keys that decrypt payloads of Temporal's proxy: `NAMESPACE=ARN,...`.",
            "orders-*=arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        ),
        Setting("CODEC_MAX_RINGS", "5000", "How many key rings a process keeps in memory.", "500"),
        Setting(
            "CODEC_AUDIT_DIGESTS", "16", "How many payloads a record identifies by digests.", "0"
        ),
        Setting(
            "CODEC_DERIVE_KEYS",
            "false",
            "For the rotation function: whether the first key of an empty ring derives a key for "
            "each namespace. Later keys are of the same kind as the ring's newest.",
            "true",
            ("false", "true"),
        ),
    ),
    "Browsers": (
        Setting(
            "CODEC_ORIGINS",
            "http://localhost:8233,http://127.0.0.1:8233,http://localhost:8080",
            "The origins of the Web UIs that may call, comma-separated, exactly as browsers "
            "send them.",
            "https://cloud.temporal.io",
        ),
        Setting(
            "CODEC_ALLOWED_HEADERS",
            "",
            "More request headers that pages may send, comma-separated.",
            "traceparent,baggage",
        ),
        Setting(
            "CODEC_CREDENTIALS",
            "false",
            "Whether pages may send cookies (*Include cross-origin credentials* in the Web UI).",
            "true",
            ("false", "true"),
        ),
    ),
    "Access": (
        Setting(
            "CODEC_AUTH",
            "none",
            "Whether callers must present a token. `none` is refused on Lambda.",
            "jwt",
            ("none", "jwt"),
        ),
        Setting(
            "CODEC_ISSUER",
            "",
            "The issuer of the tokens. Set it together with `CODEC_JWKS_URL` and "
            "`CODEC_AUDIENCES`, or leave all three empty for Temporal Cloud.",
            "https://issuer.example.com/",
        ),
        Setting(
            "CODEC_JWKS_URL",
            "",
            "The address of the issuer's keys (JWKS), over https, or `file:PATH`.",
            "https://issuer.example.com/.well-known/jwks.json",
        ),
        Setting(
            "CODEC_AUDIENCES",
            "",
            "The accepted audiences of a token, comma-separated. One must match.",
            "https://codec.example.com",
        ),
        Setting(
            "CODEC_EMAIL_CLAIM",
            "",
            "The token's claim with the e-mail address. Empty: `email`, or Temporal Cloud's claim.",
            "https://issuer.example.com/email",
        ),
        Setting(
            "CODEC_TRUST",
            "",
            "A document that replaces the four settings above: `file:PATH` or `ssm:NAME`.",
            "ssm:/temporal-codec/trust",
        ),
        Setting(
            "CODEC_AUTHORIZER",
            "policy",
            "What decides about access: the policy document, the token's claim `permissions`, or "
            "the roles and permissions in Temporal Cloud.",
            "permissions-claim",
            ("policy", "permissions-claim", "temporal-cloud"),
        ),
        Setting(
            "CODEC_POLICY",
            "",
            "The policy: `file:PATH`, `ssm:NAME` or `s3:BUCKET/KEY`. Without it, access is denied.",
            "ssm:/temporal-codec/policy",
        ),
        Setting(
            "CODEC_CLOUD_API_KEY",
            "",
            "The secret with Temporal Cloud's API key, for `CODEC_AUTHORIZER=temporal-cloud` only.",
            "secretsmanager:temporal/cloud-api-key",
        ),
        Setting(
            "CODEC_ON_DENY",
            "reject",
            "What `/decode` answers if access is denied: status 403, or the payloads unchanged.",
            "passthrough",
            ("reject", "passthrough"),
        ),
    ),
    "Payloads in S3": (
        Setting(
            "CODEC_STORAGE_BUCKETS",
            "",
            "The buckets that payloads may be fetched from, comma-separated. "
            "If it is empty, no payload is fetched.",
            "orders-payloads",
        ),
        Setting(
            "CODEC_STORAGE_DRIVERS",
            "aws.s3driver",
            "The names under which workers registered their S3 drivers, comma-separated.",
            "aws.s3driver,eu.s3driver",
        ),
        Setting(
            "CODEC_STORAGE_SHARED",
            "false",
            "Whether every namespace may read the objects that belong to no namespace.",
            "true",
            ("false", "true"),
        ),
    ),
    "Metrics": (
        Setting(
            "POWERTOOLS_SERVICE_NAME",
            "codec-server",
            "The dimension `service` of all metrics. The template sets it to the stack's name.",
            "codec-server-prod",
        ),
    ),
    "Local server": tuple(Setting(*row) for row in HOSTING),
}

SETTINGS = {each.name: each for section in SECTIONS.values() for each in section}
