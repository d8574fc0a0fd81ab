"""`temporal-codec payload`: fetch and decode payloads from S3."""
