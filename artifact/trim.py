"""The parts of libraries that no function needs."""

import shutil
from pathlib import Path

from artifact.models import CALLED

# The parts of a large folder that are kept.
_KEPT = {
    # botocore describes some 400 services, most of its weight.
    "botocore/data": (*CALLED, "*.json"),
    "botocore/data/*/*": ("service-2.*", "endpoint-rule-set-*"),
    # Logger and Metrics are what we use of Powertools; Logger loads this part of the rest.
    "aws_lambda_powertools/utilities": ("__init__.py", "jmespath_utils"),
    # Licenses must stay, and scanners read names and versions. The rest tells of the
    # installation, and some of it differs from one machine to the next.
    "*.dist-info": ("METADATA", "LICENSE*", "NOTICE*", "COPYING*", "AUTHORS*", "licenses", "sboms"),
}
_DROPPED = (
    *("bin", ".lock"),
    *("aws_lambda_powertools/event_handler", "aws_lambda_powertools/metrics/provider/datadog"),
    # cryptography calls cffi's native half alone; the other compiles C, with a parser for it.
    *("cffi", "pycparser", "pycparser-*.dist-info"),
    # Time zones by name: botocore reads times in UTC.
    "dateutil/zoneinfo",
    # For Python in a browser.
    "urllib3/contrib/emscripten",
    # For type checkers and C compilers.
    *("**/*.pyi", "**/py.typed", "**/*.h"),
    # Whatever a local run has left.
    "**/__pycache__",
)


def trim(folder: Path) -> None:
    """Remove from an artifact's folder what its functions do not need."""
    for pattern, kept in _KEPT.items():
        for parent in list(folder.glob(pattern)):
            for each in list(parent.iterdir()):
                if not any(each.match(name) for name in kept):
                    remove(each)
    for pattern in _DROPPED:
        for each in list(folder.glob(pattern)):
            remove(each)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that it holds."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
