"""Policies: documents that say who may do what, parsed, indexed and explained."""

from temporal_codec.errors import PolicyError
from temporal_codec.policy.document import MAX_BYTES, parse
from temporal_codec.policy.grants import Grant, Identity, Policy

__all__ = ["MAX_BYTES", "Grant", "Identity", "Policy", "PolicyError", "parse"]
