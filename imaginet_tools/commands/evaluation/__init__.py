"""The commands about how good detectors are."""
