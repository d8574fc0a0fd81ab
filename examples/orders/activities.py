"""The work on an order: some of it fails, so that there is a failure to look at."""

from temporalio import activity
from temporalio.exceptions import ApplicationError


@activity.defn
async def check_credit(customer: str) -> str:
    """Run as a local activity: its result is in a marker of the history."""
    return f"the credit of {customer} is good"


@activity.defn
async def pack(parcel: str) -> str:
    """Succeed."""
    return f"packed: {parcel}"


@activity.defn
async def charge(card: str) -> None:
    """Fail for good, with details and a stack trace."""
    raise ApplicationError(f"refused: {card}", f"number and name on {card}", non_retryable=True)


@activity.defn
async def ship(parcel: str) -> None:
    """Give a sign of life, fail, and wait for another try."""
    activity.heartbeat(f"label printed: {parcel}")
    raise ApplicationError(f"no courier for {parcel}", f"address on {parcel}")
