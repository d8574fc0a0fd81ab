"""Settings of payloads in S3: which references are followed."""

import re

from handlers.settings.environ import Environ, SettingsError, choice, text
from temporal_codec.storage.reference import AllowedReferences

# A bucket's own name: an ARN may name another region. A directory bucket has endpoints of its own.
_BUCKET = re.compile(r"(?!.*--x-s3$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_DRIVER = re.compile(r"[!-+\--~]{1,128}")  # printable, without blanks and commas


def read_storage(environ: Environ) -> AllowedReferences | None:
    """The references that are followed; None if no bucket is named. Raises SettingsError."""
    shared = choice(environ, "CODEC_STORAGE_SHARED") == "true"
    drivers = text(environ, "CODEC_STORAGE_DRIVERS").split(",")
    if not all(map(_DRIVER.fullmatch, drivers)):
        raise SettingsError(
            "CODEC_STORAGE_DRIVERS must be a comma-separated list of the names under which "
            "workers registered their S3 drivers"
        )
    names = text(environ, "CODEC_STORAGE_BUCKETS")
    if not names:
        return None
    buckets = names.split(",")
    if not all(map(_BUCKET.fullmatch, buckets)):
        raise SettingsError(
            "CODEC_STORAGE_BUCKETS must be a comma-separated list of names of S3 buckets in this "
            "region; no ARNs, and no directory buckets"
        )
    return AllowedReferences(frozenset(buckets), frozenset(drivers), shared)
