"""Training of the SelfCon detector: presets, data, views, losses, the two stages, the run report."""
