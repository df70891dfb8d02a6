"""What a raster is, holds and lost: the values behind info, query, compare, verify and preview.

Each is one function that returns a value; the command line prints it. Nothing here writes files
other than pictures.
"""
