"""Names of AWS resources: what each service takes, and the region that an ARN names."""

import re

KMS_KEY = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:key/[A-Za-z0-9-]{1,64}")
"""The ARN of a KMS key, and not of an alias."""
# What stands before a name in an ARN, and what a name consists of.
_NAMES = {
    "kms": ("", r"(?:key|alias)/[A-Za-z0-9/_-]+"),
    "secretsmanager": ("secret:", r"[A-Za-z0-9/_+=.@!-]{1,512}"),
    "ssm": ("parameter/", r"(?!(?i:arn:)|\s).+"),  # SSM says itself what is no name of its own
}


def region_of(service: str, name: str) -> str | None:
    """The region of a resource's ARN, in any partition; None of a name.

    Raises ValueError if the service has no resource that is named so.
    """
    before, plain = _NAMES[service]
    arn = rf"(?:arn:aws[a-z-]*:{service}:([a-z0-9-]+):[0-9]{{12}}:{before})?{plain}"
    found = re.fullmatch(arn, name)
    if found is None:
        raise ValueError(f"{service} has no such name, and no such ARN")
    return found[1]
