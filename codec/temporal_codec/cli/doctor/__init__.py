"""`temporal-codec doctor`: why the Web UI or the CLI cannot decode."""
