"""Writes the embedded sample's audit, card and preview into dataset_card/: ``python -m scripts.update_sample_card``."""

if __name__ == "__main__":  # before the libraries, which take seconds
    from imaginet_core.interrupts import end_at_once_on_interrupt

    end_at_once_on_interrupt("scripts.update_sample_card")

import json
import os
import shutil
import tempfile
from dataclasses import replace

from imaginet_core.interrupts import one_sentence_on_interrupt
from imaginet_tools.audit.audit import audit
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.publish.dataset_card import PREVIEW, template_folder
from imaginet_tools.publish.export import export


def main() -> None:
    """Audits and exports the sample."""
    images = ImageSet.from_raw("sample")
    found = audit(replace(images, title=os.path.basename(images.title)))  # the folder of the clone is nobody's business
    with open(f"{template_folder()}/audit.sample.json", "w", encoding="utf-8") as file:
        json.dump(found.to_json(), file, indent=1, ensure_ascii=False)
        file.write("\n")
    with tempfile.TemporaryDirectory() as folder:
        export(f"{folder}/imaginet", config_name="sample", audit=f"{template_folder()}/audit.sample.json")
        shutil.copyfile(f"{folder}/imaginet/README.md", f"{template_folder()}/README.sample.md")
        shutil.copyfile(f"{folder}/imaginet/{PREVIEW}", f"{template_folder()}/{PREVIEW}")


if __name__ == "__main__":
    with one_sentence_on_interrupt("scripts.update_sample_card", "what it had not written yet is as it was"):
        main()
