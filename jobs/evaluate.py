# /// script
# requires-python = ">=3.11"
# dependencies = ["imaginet[evaluate,score]"]
# ///
"""`imaginet evaluate` as a job: hf jobs uv run --flavor a10g-small jobs/evaluate.py --model OWNER/DETECTOR --dataset OWNER/IMAGES ...

Options are those of the command; the header names what it needs. `imaginet` must be where the job finds it: on a package index, or
`--with git+https://…` of the repository.
"""

import sys

from imaginet_tools.commands.main import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
