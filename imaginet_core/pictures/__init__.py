"""One picture: reading, header, degradations, alignment, statistics."""
