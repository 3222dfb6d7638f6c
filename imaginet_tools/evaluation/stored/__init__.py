"""Scores in files: those that were computed before, those that others give, those that a report leaves."""
