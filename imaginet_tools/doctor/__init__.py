"""What is there and what is broken."""
