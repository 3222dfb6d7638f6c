"""The old name of ``scripts.convert_published_weights``; kept for one version."""

import sys

from scripts.convert_published_weights import main

if __name__ == "__main__":
    print("`python -m scoring.convert` is now `python -m scripts.convert_published_weights`; the old name goes with the next version.", file=sys.stderr)
    main()
