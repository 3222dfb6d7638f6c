"""Where bytes lie: files, archives, Parquet shards, lists of what they hold."""
