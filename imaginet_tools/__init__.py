"""Tools around the data set, imported by imaginet.py only when asked for."""
