"""How good a detector is: metrics with intervals, calibration, the report, and the baseline of pixel statistics."""
