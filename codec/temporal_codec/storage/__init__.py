"""Payloads in S3, and the references to them."""
