"""What becomes of a function's folder after its files are in place: the last step of the build.

It runs under the builder's own Python, which may have no packages: the standard library alone.
"""
