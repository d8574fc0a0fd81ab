"""`temporal-codec policy`: check a policy before it is deployed."""
