"""How a detector holds under degradations, attacks, other sizes, and on what it was not made for.

Every part gives plain values for ``report.json`` and, where there is one, a matplotlib figure.
"""
