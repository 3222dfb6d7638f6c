"""What surrounds the stages of a run."""
