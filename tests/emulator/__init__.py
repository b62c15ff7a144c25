"""The offline Azure: see README.md beside this file."""
