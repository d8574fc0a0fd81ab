"""The workflow of `split`."""

from temporalio import workflow


@workflow.defn
class Greet:
    """The plainest workflow."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Return a greeting."""
        return f"Hello, {name}!"
