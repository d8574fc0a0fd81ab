"""The ASGI app: requests, checks, operations, answers and their records."""
