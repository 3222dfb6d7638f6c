"""Scores for any number of pictures, wherever they lie: one row each, written so that a killed run goes on where it was."""
