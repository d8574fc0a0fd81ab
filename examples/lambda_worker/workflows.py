"""What the worker runs."""

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


@workflow.defn
class Greeting:
    """Greets by an activity."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Return the greeting."""
        return await workflow.execute_activity(
            greet, name, start_to_close_timeout=timedelta(seconds=10)
        )
