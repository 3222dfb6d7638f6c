"""Reconstructions of real images by an autoencoder."""
