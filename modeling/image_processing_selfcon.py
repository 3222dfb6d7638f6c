"""From a picture of any size to what the SelfCon detector sees: its centre, never resampled."""

import numpy as np
from transformers.image_processing_backends import PilBackend
from transformers.image_processing_utils import BatchFeature


class SelfConImageProcessor(PilBackend):
    """Centre crop, padded by reflection on all sides where the picture is smaller, ImageNet mean and std.

    Resampling would erase the fine traces that generators leave, so there is none. Transparency is dropped, grey
    becomes RGB. ``crop_size`` is a dict with height and width (default 256 each).
    """

    model_input_names = ["pixel_values"]
    do_convert_rgb = True
    do_center_crop = True
    crop_size = {"height": 256, "width": 256}
    do_rescale = True
    rescale_factor = 1 / 255
    do_normalize = True
    image_mean = [0.485, 0.456, 0.406]
    image_std = [0.229, 0.224, 0.225]

    def process_image(self, image, do_convert_rgb=None, input_data_format=None, **kwargs) -> np.ndarray:
        """One PIL image, array or tensor of any mode -> uint8 or float (3, H, W)."""
        array = super().process_image(image, do_convert_rgb=do_convert_rgb, input_data_format=input_data_format, **kwargs)
        if array.shape[0] == 1:
            return np.repeat(array, 3, axis=0)
        return array[:3]

    def center_crop(self, image: np.ndarray, size, **kwargs) -> np.ndarray:
        """(3, H, W) -> (3, size.height, size.width), with as much reflection on each side as is missing there."""
        target = (size.height, size.width)
        missing = [max(0, want - have) for want, have in zip(target, image.shape[1:], strict=True)]
        image = np.pad(image, [(0, 0), *((m // 2, m - m // 2) for m in missing)], mode="reflect")
        top, left = ((have - want) // 2 for want, have in zip(target, image.shape[1:], strict=True))
        return image[:, top : top + target[0], left : left + target[1]]

    def _preprocess(self, images, **kwargs) -> BatchFeature:
        batch = super()._preprocess([self._checked(image) for image in images], **kwargs)
        return batch

    @staticmethod
    def _checked(image: np.ndarray) -> np.ndarray:
        if min(image.shape) < 1:
            raise ValueError(f"A picture must have at least one pixel, got an array of shape {image.shape}.")
        return image
