"""What the Makefile runs to check a release; the lock files of what it installs lie beside it."""
