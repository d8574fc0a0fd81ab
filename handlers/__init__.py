"""The Codec Server: what Lambda and the local server run. Never part of the wheel."""
