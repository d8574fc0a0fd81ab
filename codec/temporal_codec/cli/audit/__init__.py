"""`temporal-codec audit`: what audit records say about a history."""
