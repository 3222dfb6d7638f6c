"""The two stages of training and their losses."""
