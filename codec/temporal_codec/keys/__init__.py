"""Key rings: their keys, their text, and where they come from."""
