"""Names of namespaces: which names are valid, and their form in names of files and secrets.

A Service takes any text. A file, a secret or an object in S3 does not, so a name that is part of
theirs has a form of its own there: plain if that is safe, escaped if not.
"""

import re
from functools import lru_cache
from hashlib import sha256

from temporal_codec.errors import InvalidNamespace
from temporal_codec.text import is_text

PLACEHOLDER = "{namespace}"
MAX_NAMESPACE_BYTES = 1000
# Safe in the name of a file and of a secret: no slash, and no leading dot or hyphen.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_UNSAFE = re.compile(rb"^[.-]|[^A-Za-z0-9._-]")
_UNSAFE_IN_ALIAS = re.compile(rb"[^A-Za-z0-9-]")
_LONGEST = 200  # so that a file's name, of 255 bytes, has room for more than this


@lru_cache(maxsize=64)
def check_namespace(name: str) -> str:
    """The name itself; raises InvalidNamespace if no namespace can have it."""
    if not is_text(name) or not 0 < len(name.encode()) <= MAX_NAMESPACE_BYTES:
        raise InvalidNamespace(
            f"a namespace's name is 1 to {MAX_NAMESPACE_BYTES} bytes of valid UTF-8 without "
            "control characters"
        )
    return name


@lru_cache(maxsize=1024)
def place_name(namespace: str) -> str:
    """What stands for a namespace in the name of a file or a secret; two never share one.

    Each byte that is not a letter, a digit or one of ``._-``, and a leading ``.`` or ``-``, is
    written as ``=`` and two hexadecimal digits. Where that is too long for a file's name, it is
    ``=sha256=`` and the name's hash.
    """
    if _PLAIN.fullmatch(namespace):
        return namespace
    name = namespace.encode()
    escaped = _UNSAFE.sub(lambda found: b"=%02X" % ord(found[0]), name).decode()
    return escaped if len(escaped) <= _LONGEST else f"=sha256={sha256(name).hexdigest()}"


def alias_name(namespace: str) -> str:
    """What stands for a namespace in an alias of KMS; two never share one.

    It is that of `place_name` with ``_`` for ``=``, since aliases have no dots. Each byte that is
    not a letter, a digit or a hyphen is escaped.
    """
    name = namespace.encode()
    escaped = _UNSAFE_IN_ALIAS.sub(lambda found: b"_%02X" % ord(found[0]), name).decode()
    return escaped if len(escaped) <= _LONGEST else f"_sha256_{sha256(name).hexdigest()}"
