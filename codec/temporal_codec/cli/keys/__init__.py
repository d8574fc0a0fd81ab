"""`temporal-codec keys`: make, change and check key rings."""
