"""From images to batches of random views."""
