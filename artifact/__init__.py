"""Finishes a function's folder after its files are in place.

`python -m artifact` runs under the builder's own Python, which may have no packages: it needs
the standard library alone.
"""
