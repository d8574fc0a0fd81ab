"""Names and ARNs of AWS resources."""

import pytest

from temporal_codec.arn import region_of

ACCOUNT = "111122223333"
REGIONS = {
    ("secretsmanager", "temporal-codec/orders"): None,
    ("secretsmanager", "rds!cluster_a=2F+b.c@d"): None,
    (
        "secretsmanager",
        f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:a-AbCdEf",
    ): "us-west-2",
    ("secretsmanager", f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:a/b/c"): "us-west-2",
    ("secretsmanager", f"arn:aws-us-gov:secretsmanager:us-gov-west-1:{ACCOUNT}:secret:a"): (
        "us-gov-west-1"
    ),
    ("secretsmanager", f"arn:aws-cn:secretsmanager:cn-north-1:{ACCOUNT}:secret:a"): "cn-north-1",
    ("secretsmanager", f"arn:aws-iso-b:secretsmanager:us-isob-east-1:{ACCOUNT}:secret:a"): (
        "us-isob-east-1"
    ),
    ("secretsmanager", f"arn:aws-eusc:secretsmanager:eusc-de-east-1:{ACCOUNT}:secret:a"): (
        "eusc-de-east-1"
    ),
    ("ssm", "/temporal-codec/policy"): None,
    ("ssm", "policy:3"): None,
    ("ssm", f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/temporal-codec/policy:live"): "eu-west-1",
    ("kms", "alias/temporal-codec"): None,
    ("kms", f"arn:aws:kms:eu-west-1:{ACCOUNT}:alias/a/b"): "eu-west-1",
    ("kms", f"arn:aws-cn:kms:cn-north-1:{ACCOUNT}:key/mrk-1234abcd"): "cn-north-1",
}
WRONG = [
    ("secretsmanager", ""),
    ("secretsmanager", "arn:aws:secretsmanager"),
    ("secretsmanager", f"ARN:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:a"),
    ("secretsmanager", f" arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:a"),
    ("secretsmanager", f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:a\n"),
    ("secretsmanager", f"arn:aws:secretsmanager::{ACCOUNT}:secret:a"),
    ("secretsmanager", "arn:aws:secretsmanager:us-west-2::secret:a"),
    ("secretsmanager", "arn:aws:secretsmanager:us-west-2:1111-2222-3333:secret:a"),
    ("secretsmanager", f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:"),
    (
        "secretsmanager",
        f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:a-AbCdEf:key::",
    ),
    ("secretsmanager", f"arn:aws:ssm:us-west-2:{ACCOUNT}:parameter/a"),
    ("secretsmanager", "x" * 513),
    ("ssm", f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:a"),
    ("ssm", f"arn:aws:ssm:us-west-2:{ACCOUNT}:document/a"),
    ("ssm", " /policy"),
    ("kms", f"arn:aws:kms:us-west-2:{ACCOUNT}:a"),
]


@pytest.mark.parametrize(("service", "name"), REGIONS)
def test_an_arn_names_its_region_in_every_partition(service: str, name: str) -> None:
    """The process's own region does not matter; a name has none."""
    assert region_of(service, name) == REGIONS[service, name]


@pytest.mark.parametrize(("service", "name"), WRONG)
def test_what_names_no_resource_of_the_service_is_refused(service: str, name: str) -> None:
    """Such as an ARN of another service, or one with what other programs append to it."""
    with pytest.raises(ValueError, match="no such name") as caught:
        region_of(service, name)
    assert not name or name not in str(caught.value)
