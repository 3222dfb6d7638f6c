"""Readers of other benchmarks' folders, lists and Parquet files; ``read_benchmark.read_benchmark`` is the one to call."""
