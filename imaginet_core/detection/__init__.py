"""What every backend of a detector shares, on numpy alone: which crops of a picture it sees, and how its logits become an answer."""
