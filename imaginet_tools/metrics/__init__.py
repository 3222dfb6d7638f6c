"""Figures with intervals. Imports nothing of this project."""
