"""What travels with a model: configuration, network, image processor, pipeline. Imports nothing else of this project."""

from .configuration_selfcon import SelfConConfig
from .image_processing_selfcon import SelfConImageProcessor
from .modeling_selfcon import SelfConForImageClassification, SelfConOutput
from .pipeline_selfcon import SyntheticImageDetectionPipeline
from .saving import save

__all__ = [
    "SelfConConfig", "SelfConForImageClassification", "SelfConImageProcessor", "SelfConOutput",
    "SyntheticImageDetectionPipeline", "save",
]
