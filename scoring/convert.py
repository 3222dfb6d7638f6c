"""The old name of ``scripts.convert_published_weights``; kept for one version."""

if __name__ == "__main__":  # before the libraries, which take seconds
    from imaginet_core.interrupts import end_at_once_on_interrupt

    end_at_once_on_interrupt("scoring.convert")

import sys

from scripts.convert_published_weights import main

if __name__ == "__main__":
    print("`python -m scoring.convert` is now `python -m scripts.convert_published_weights`; the old name goes with the next version.", file=sys.stderr)
    main()
