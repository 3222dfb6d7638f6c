"""What is written for others: data sets, cards, uploads."""
