"""What travels with a model: configuration, network, image processor, pipeline. Imports nothing else of this project."""

from .configuration_selfcon import SelfConConfig
from .image_processing_selfcon import SelfConImageProcessor
from .modeling_selfcon import SelfConForImageClassification, SelfConModel, SelfConOutput, check_free, save
from .pipeline_selfcon import SelfConImageClassificationPipeline, SyntheticImageDetectionPipeline
from .verdict import verdict

__all__ = [
    "SelfConConfig", "SelfConForImageClassification", "SelfConImageClassificationPipeline", "SelfConImageProcessor",
    "SelfConModel", "SelfConOutput", "SyntheticImageDetectionPipeline", "check_free", "save", "verdict",
]
