"""Ways of use, one short file each; run from the clone."""
