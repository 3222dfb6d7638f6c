"""Where the sub-network's answer is enough, and what it is on the whole network's scale: the same rule for fitting and for use.

The rules are arithmetic alone, so they take arrays of NumPy and tensors of PyTorch.
"""


def is_sure(sub_logit, early_exit: dict):
    """Which pictures leave early, bool (N,), by the sub-network's logits, float (N,).

    Args:
        early_exit: has ``low`` and ``high``: at or below the one a picture is real, at or above the other synthetic, without doubt.
    """
    return (sub_logit <= early_exit["low"]) | (sub_logit >= early_exit["high"])


def to_network_logit(sub_logit, early_exit: dict):
    """The sub-network's logits, float (N,), on the scale of the whole network's, by ``scale`` and ``shift``."""
    return sub_logit * early_exit["scale"] + early_exit["shift"]
