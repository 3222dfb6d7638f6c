"""Detectors at work: the face that all have, saved ones behind it, scoring, export, a service."""
