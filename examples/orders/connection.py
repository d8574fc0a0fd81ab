"""How the worker and the starter connect: the plugin's one line is all that encrypts."""

from temporalio.client import Client

from examples.orders.sender import SenderHeader
from temporal_codec.plugin import EncryptionPlugin

ADDRESS = "localhost:7233"
TASK_QUEUE = "orders"


async def connect(
    address: str = ADDRESS, ring: str = "development", sender: str = "somebody"
) -> Client:
    """A client that encrypts with a key ring's keys, and tells in a header who it is."""
    return await Client.connect(
        address,
        interceptors=[SenderHeader(sender)],
        plugins=[EncryptionPlugin(ring)],
    )
