"""A clock that tests set."""


class FakeClock:
    """Gives wall-clock and monotonic seconds; `advance` moves both."""

    def __init__(self) -> None:
        self.wall = 1_795_000_000.0  # November 2026
        self.monotonic = 1_000.0

    def __call__(self) -> tuple[float, float]:
        return self.wall, self.monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.monotonic += seconds
