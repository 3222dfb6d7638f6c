"""What computes a saved detector's logits: one file an engine, all with the same face (``network.Network``)."""
