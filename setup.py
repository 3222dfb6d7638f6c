"""The packages of `pip install .`, found and not listed; all else is said in pyproject.toml."""

from setuptools import find_packages, setup

setup(packages=[
    *find_packages(include=("imaginet_core*", "imaginet_tools*")),
    "imaginet_sample", "imaginet_dataset_card",  # folders without code, under names that are ours
])
