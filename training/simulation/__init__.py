"""Simulated generators: real pictures as the output of image-forming chains that are drawn at random."""
