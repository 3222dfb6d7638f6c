"""The tests of datasets' builders, on ours. ``test_datasets_suites.py`` runs this file with datasets' tests on the path.

Their builders of a few lines of text become builders of our class: what ours does on its own when it is made, prepares and is read
(processes, folders, errors, file systems) runs under the assertions that datasets makes of every builder.
"""

import datasets
import datasets.builder
import pyarrow

import imaginet
from imaginet_core.builder_pool import builder_pool


class Config(imaginet.ImagiNetConfig):
    """Names the folder as datasets does, not by the raw data, of which there is none."""

    def create_config_id(self, config_kwargs, custom_features=None):
        given = {name: value for name, value in config_kwargs.items() if name != "script_folder"}
        return datasets.BuilderConfig.create_config_id(self, given, custom_features)


class OnOurs(imaginet.ImagiNet):
    """Ours without its data: the tests' builders bring examples or tables of their own, in folders without the code's hash."""

    BUILDER_CONFIG_CLASS, BUILDER_CONFIGS, DEFAULT_CONFIG_NAME, VERSION = Config, [], None, None

    def _check_lists(self):
        """There are none."""

    def _relative_data_dir(self, with_version=True, with_hash=True):
        return super()._relative_data_dir(with_version, with_hash=False)

    def _prepare_split(self, split_generator, *arguments, **keywords):
        """In our processes, but without the list that ours share with them."""
        keywords.pop("check_duplicate_keys", None)
        with builder_pool():
            datasets.ArrowBasedBuilder._prepare_split(self, split_generator, *arguments, **keywords)

    def _generate_tables(self, *arguments, **keywords):
        for key, example in self._generate_examples(*arguments, **keywords):
            yield key, pyarrow.Table.from_pylist([example], schema=self.info.features.arrow_schema)


datasets.config.SAVE_ORIGINAL_SHARD_LENGTHS = True  # as the set-up of datasets' tests does
datasets.builder.GeneratorBasedBuilder = datasets.builder.ArrowBasedBuilder = OnOurs
from tests.test_builder import *  # noqa: E402, F403
