"""Virtual datasets to published references and back: kerchunk JSON and parquet, Icechunk."""
