"""`temporal-codec`: what people do with key rings, histories, payloads and endpoints."""
