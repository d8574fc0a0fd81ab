"""A clock that tests set."""


class FakeClock:
    """A `Clock` that stands still; `advance` moves both of its hands."""

    def __init__(self) -> None:
        self.wall = 1_795_000_000.0  # November 2026
        self.running = 1_000.0

    def time(self) -> float:
        """What the wall clock shows."""
        return self.wall

    def monotonic(self) -> float:
        """What never goes back."""
        return self.running

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.running += seconds
