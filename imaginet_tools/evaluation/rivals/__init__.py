"""Detectors of others behind the face of ours."""
