"""Writes the example card and preview in dataset_card/ from the embedded sample: ``python -m imaginet_tools.sample_card``."""

import shutil
import tempfile

from imaginet_tools.card import PREVIEW, template_folder
from imaginet_tools.export import export

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        export(f"{folder}/imaginet", config_name="sample")
        shutil.copyfile(f"{folder}/imaginet/README.md", f"{template_folder()}/README.sample.md")
        shutil.copyfile(f"{folder}/imaginet/{PREVIEW}", f"{template_folder()}/{PREVIEW}")
