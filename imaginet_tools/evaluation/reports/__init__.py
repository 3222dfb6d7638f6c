"""What a report looks like on the disk."""
