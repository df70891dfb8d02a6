"""Bytes of files and objects: stores, ranged reads, local files."""
