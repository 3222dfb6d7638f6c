"""Training objectives, one a file, named after their papers."""
