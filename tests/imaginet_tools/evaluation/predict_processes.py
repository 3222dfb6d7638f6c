"""A detector's answers for a data set; run by torchrun from test_predict.py."""

import sys

import numpy as np
from accelerate import Accelerator

from imaginet_tools.evaluation.detectors import PixelStatisticsDetector, TorchDetector
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from modeling import SelfConImageProcessor
from tests.modeling.helpers import small_model

if __name__ == "__main__":
    accelerator = Accelerator(cpu=True)
    splits = load_splits(DataOptions(dataset=sys.argv[1], held_out=0.25), seed=42)
    model = small_model(families=["GAN", "SD"], generators=["smooth", "chequered"])
    processor = SelfConImageProcessor(crop_size={"height": 32, "width": 32})
    detectors = [TorchDetector(model, processor), PixelStatisticsDetector(splits.train, splits.held_out, accelerator)]
    answers = [predict(detector, splits.train, "jpeg70", accelerator) for detector in detectors]
    if accelerator.is_main_process:
        print(accelerator.num_processes)
        np.savez(sys.argv[2], logit=answers[0].logit, feature=answers[0].feature, baseline=answers[1].probability)
    accelerator.end_training()
