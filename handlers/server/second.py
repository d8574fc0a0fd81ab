"""A second place for records: a request is answered if one of the two has its record."""

import errno
import logging
import os

import msgspec

from handlers.server.audit import Record, Write
from handlers.settings.environ import SettingsError

_log = logging.getLogger("codec-server")


def with_copy(write: Write, path: str) -> Write:
    """Keep each record in a file, too; raises only if neither place takes it.

    Raises SettingsError if the file cannot be opened now.
    """
    copy = _lines_in(path)

    def both(record: Record) -> None:
        faults = [fault for each in (write, copy) if (fault := _fault(each, record))]
        if len(faults) > 1:
            raise faults[0]
        for fault in faults:
            extra = {"request_id": record.request_id, "cause": type(fault).__name__}
            _log.error("a record is in one of its two places only", extra=extra)

    return both


def _fault(write: Write, record: Record) -> Exception | None:
    try:
        write(record)
    except Exception as error:  # noqa: BLE001 — whatever it is, the other place is still asked
        return error
    return None


def _lines_in(path: str) -> Write:
    # Opened for each record: it may have been renamed or deleted, or its disk may be back.
    torn = b""

    def append(line: bytes) -> None:
        nonlocal torn
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = os.write(descriptor, line)
            if written < len(line):
                torn = b"\n"
                raise OSError(errno.ENOSPC, "only a part of the line was written")
            torn = b""
        finally:
            os.close(descriptor)

    try:
        append(b"")
    except OSError as error:
        raise SettingsError(
            f"CODEC_AUDIT_COPY names a file that cannot be written ({error.strerror})"
        ) from None
    return lambda record: append(torn + msgspec.json.encode(record) + b"\n")
