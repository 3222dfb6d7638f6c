"""What lies under the data set: stored bytes and pictures. Imports nothing of this project."""
