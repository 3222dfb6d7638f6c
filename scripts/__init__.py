"""Upkeep of the repository and conversion of published weights; run from the clone."""
