"""Images with their labels, from a folder, a CSV file, raw data or a prepared data set."""
