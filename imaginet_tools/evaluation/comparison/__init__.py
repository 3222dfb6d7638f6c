"""Detectors beside each other: paired differences, ranks, reports of two runs."""
