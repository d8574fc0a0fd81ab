"""A ring that two namespaces share opens for readers of both, and for nobody else's."""

from pathlib import Path

import pytest

from handlers.settings.environ import SettingsError
from handlers.settings.server import server_settings
from handlers.startup import key_source
from temporal_codec import Keyring, PayloadError
from tests.codec.rings import key


def test_a_shared_ring_opens_for_its_namespaces_alone(tmp_path: Path) -> None:
    for number, name in enumerate(["orders", "billing", "other", "shared"], 1):
        (tmp_path / f"{name}.json").write_bytes(Keyring([key(number)]).to_json())
    source = key_source(
        server_settings(
            {
                "CODEC_KEYRING": f"file:{tmp_path}/{{namespace}}.json",
                "CODEC_SHARED_RINGS": f"file:{tmp_path}/shared.json=orders, billing",
            }
        )
    )

    def opens(namespace: str, number: int) -> bool:
        try:
            return source.keys(namespace).opening(f"key-{number}".encode()).id == f"key-{number}"
        except PayloadError:
            return False

    opened = {
        name: [number for number in range(1, 5) if opens(name, number)]
        for name in ("orders", "billing", "other")
    }
    assert opened == {"orders": [1, 4], "billing": [2, 4], "other": [3]}
    assert source.keys("orders").sealing().id == "key-1"


@pytest.mark.parametrize(
    "value", ["file:a", "=orders", "file:a=", "file:{namespace}=a", "file:a=a,"]
)
def test_a_setting_that_names_no_ring_or_no_namespace_stops_the_start(value: str) -> None:
    with pytest.raises(SettingsError, match="CODEC_SHARED_RINGS must be entries such as"):
        server_settings({"CODEC_SHARED_RINGS": value})
