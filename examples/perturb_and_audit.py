"""Which shortcuts do pictures offer a detector, as they are and after the perturbation that ImagiNet is tested with?

    python examples/perturb_and_audit.py OUT [FOLDER with real/ and synthetic/]

OUT gets the perturbed copies. Without FOLDER the test pictures of the embedded sample are taken, which takes a minute.
"""

import sys

from imaginet_tools.audit.audit import audit
from imaginet_tools.audit.report import screen
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.perturbed_copies import METADATA, perturb_all


def main(arguments: list[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    out, *folder = arguments
    images = ImageSet.from_folder(folder[0]) if folder else ImageSet.from_raw("sample", ("test",))
    print(screen(audit(images, limit=0)))
    made = perturb_all(images, out)
    print(f"\n{made.images} perturbed copies are in {out}:\n")
    print(screen(audit(ImageSet.from_csv(f"{out}/{METADATA}"), limit=0)))


if __name__ == "__main__":
    main(sys.argv[1:])
