"""Where in a picture a detector sees what it judges by: local scores from the network's features, at the size of the picture."""
