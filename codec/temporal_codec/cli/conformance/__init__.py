"""`temporal-codec conformance`: the contract of a Codec Server as numbered checks."""
