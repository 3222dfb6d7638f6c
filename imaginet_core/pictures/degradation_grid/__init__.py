"""The declared grid of degradations under which detectors are compared."""
