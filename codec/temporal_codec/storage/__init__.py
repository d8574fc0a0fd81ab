"""Payloads that lie in S3, and the references that stand for them."""
