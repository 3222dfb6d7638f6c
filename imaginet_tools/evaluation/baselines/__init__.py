"""What a detector must beat: classifiers that see no picture, only numbers taken from it."""
