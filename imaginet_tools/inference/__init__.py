"""Detectors behind one face."""
