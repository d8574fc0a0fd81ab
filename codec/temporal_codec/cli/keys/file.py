"""A key ring in a file: written whole or not at all, and by one process at a time."""

import os
import stat
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from temporal_codec.cli.errors import CliError
from temporal_codec.cli.keys.store import Stored, overtaken
from temporal_codec.cli.scratch import scratch, settle
from temporal_codec.keys.keyring import MAX_RING_BYTES


class FileStore:
    """A `RingStore`. A symbolic link stays a link: its target is replaced."""

    repair = (
        "Correct the file by hand, or put a copy of it back; docs/format.md shows what a key "
        "ring looks like."
    )

    def __init__(self, path: str) -> None:
        self._path = Path(path).resolve()
        self.uri = f"file:{Path(path).absolute()}"

    def read(self) -> Stored | None:
        """See `RingStore`."""
        with self._told():
            try:
                with self._path.open("rb") as file:
                    return Stored(file.read(MAX_RING_BYTES + 1))
            except FileNotFoundError:
                return None

    def previous(self) -> None:
        """See `RingStore`: a file keeps no previous version."""

    def create(self, text: bytes) -> None:
        """See `RingStore`."""
        with self._told(), self._written(text) as written:
            # A link is only made if there is no file, even in a race; a rename would replace it.
            os.link(written, self._path)

    def replace(self, old: Stored, text: bytes) -> None:
        """See `RingStore`. The file keeps its owner and its mode."""
        with self._told(), _alone_in(self._path.parent), self._written(text) as written:
            if self.read() != old:
                raise CliError(overtaken(self.uri))
            _dress(written, self._path.stat())
            written.replace(self._path)

    def warnings(self) -> list[str]:
        """See `RingStore`."""
        with self._told():
            mode = stat.S_IMODE(self._path.stat().st_mode)
        if sys.platform == "win32" or not mode & 0o077:
            return []
        who = f"Users other than its owner can use the file (mode {mode:o})."
        return [f"{who} Unless these are its servers and workers, run: chmod 600 {self._path}"]

    def sealed(self, _labels: Collection[str]) -> dict[str, int]:
        """See `RingStore`: docs/operations.md says where such servers count."""
        return {}

    @contextmanager
    def _written(self, text: bytes) -> Iterator[Path]:
        with scratch(self._path) as (file, path):
            file.write(text)
            settle(file)
            yield path

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise CliError(
                f"{self.uri} exists already and was not changed. `temporal-codec keys rotate` "
                "adds a key to it."
            ) from None
        except FileNotFoundError:
            raise CliError(
                f"The folder {self._path.parent} does not exist. Make it first."
            ) from None
        except PermissionError:
            raise CliError(
                f"You do not have permission for {self.uri}. Run the command as its owner."
            ) from None
        except OSError as error:
            raise CliError(f"Cannot use {self.uri}: {error.strerror}.") from None


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    import fcntl  # noqa: PLC0415 — Windows has none

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _dress(written: Path, like: os.stat_result) -> None:
    # A server of another user must be able to read the ring after root has rotated it.
    own = written.stat()
    if sys.platform != "win32" and (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
        os.chown(written, like.st_uid, like.st_gid)
    written.chmod(stat.S_IMODE(like.st_mode))
