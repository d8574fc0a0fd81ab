"""Fetches the history of a workflow from a Temporal Service."""

import asyncio
from typing import Any

from temporal_codec.cli.errors import NoHistory
from temporal_codec.cli.history.file import HistoryFile
from temporal_codec.errors import install

_NO_SDK = (
    f"Reading from a server needs Temporal's SDK: {install('cli,temporal')} "
    "Or pass a file: `temporal workflow show --output json --workflow-id ID > history.json`."
)
# The SDK's bridge can crash an interpreter that exits right after its last call: without this
# pause, a third of the runs did.
_BRIDGE_SECONDS = 0.3


def fetch(
    workflow_id: str, run_id: str | None, namespace: str | None, address: str | None
) -> HistoryFile:
    """The history of a workflow's run; raises NoHistory.

    Address, namespace, TLS and API key default to those of the `temporal` command line: its
    environment variables and its configuration file.
    """
    try:
        # The SDK's bridge takes a third of a second to load.
        from temporalio.client import Client  # noqa: PLC0415
        from temporalio.envconfig import ClientConfig  # noqa: PLC0415
        from temporalio.service import RPCError  # noqa: PLC0415
    except ImportError:
        raise NoHistory(_NO_SDK) from None

    async def text() -> str:
        try:
            client = await Client.connect(**options)
            handle = client.get_workflow_handle(workflow_id, run_id=run_id)
            return (await handle.fetch_history()).to_json()
        finally:
            await asyncio.sleep(_BRIDGE_SECONDS)

    given = {"target_host": address, "namespace": namespace}
    try:
        options: dict[str, Any] = {
            "target_host": "localhost:7233",
            **ClientConfig.load_client_connect_config(),
            **{name: value for name, value in given.items() if value is not None},
        }
    except (RuntimeError, ValueError):
        # What is wrong with it could quote an API key.
        raise NoHistory("Temporal's configuration file is invalid. Correct it.") from None
    try:
        return HistoryFile.of(workflow_id, asyncio.run(text()).encode())[0]
    except RPCError as error:
        raise NoHistory(
            f"The Temporal Service denied this history ({error.status.name}). Check the workflow's "
            "ID, its namespace and your permissions."
        ) from None
    except (RuntimeError, ValueError) as error:
        raise NoHistory(
            f"The Temporal Service at {options['target_host']} cannot be reached. Check --address, "
            f"TLS and the network. The SDK says: {error}"
        ) from None
