"""From a picture of any size and mode to what the SelfCon detector sees: its centre, never resampled."""

import numpy as np
from PIL import Image
from transformers.image_processing_backends import PilBackend
from transformers.image_processing_utils import BatchFeature

DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""PIL's modes with more than 8 bits a channel, all of them grey."""


class SelfConImageProcessor(PilBackend):
    """Centre crop, padded by reflection on all sides where the picture is smaller, ImageNet mean and std.

    Resampling would erase the fine traces that generators leave, so there is none. ``crop_size`` is a dict with height and
    width (default 256 each). How the modes become RGB:

    - Grey, palette and CMYK pictures as PIL's ``convert("RGB")`` does it.
    - Transparency is dropped, as in the reference: the colours under it are seen, whatever background would hide them.
    - Pictures of more than 8 bits are scaled to 0..255 (PIL alone would clip them to white): from 0..65535 where the type has
      16 bits, else from the smallest of 0..1 (floats only), 0..255 and 0..65535 that holds every value of the picture; what
      lies outside is clipped.

    Arrays and tensors of numbers follow the last rule too (not with ``do_rescale=False``, which says that they are scaled).
    A picture is taken as its pixels lie; turning it upright by its EXIF orientation is left to whoever reads the file. The
    pipelines here and ``datasets`` do turn it, the reference does not.
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
        """One PIL image, array or tensor -> (3, H, W) of the picture's own number type.

        Raises:
            ValueError: if there is no pixel.
        """
        array = super().process_image(image, do_convert_rgb=do_convert_rgb, input_data_format=input_data_format, **kwargs)
        if min(array.shape) < 1:
            raise ValueError(f"A picture must have at least one pixel, got an array of shape {array.shape}.")
        if array.shape[0] == 1:
            return np.repeat(array, 3, axis=0)
        return array[:3]

    def convert_to_rgb(self, image, input_data_format=None):
        """PIL image -> uint8 (H, W, 3), or (H, W) of its own number type if deeper than 8 bits; arrays stay as they are."""
        if not isinstance(image, Image.Image):
            return image
        return np.asarray(image if image.mode in DEEP_MODES else image.convert("RGB"))

    def center_crop(self, image: np.ndarray, size, **kwargs) -> np.ndarray:
        """(3, H, W) -> (3, size.height, size.width), with as much reflection on each side as is missing there."""
        target = (size.height, size.width)
        missing = [max(0, want - have) for want, have in zip(target, image.shape[1:], strict=True)]
        image = np.pad(image, [(0, 0), *((m // 2, m - m // 2) for m in missing)], mode="reflect")
        top, left = ((have - want) // 2 for want, have in zip(target, image.shape[1:], strict=True))
        return image[:, top : top + target[0], left : left + target[1]]

    def _preprocess(self, images: list[np.ndarray], *, do_rescale: bool, **kwargs) -> BatchFeature:
        if do_rescale:
            images = [_to_255(image) for image in images]
        return super()._preprocess(images, do_rescale=do_rescale, **kwargs)


def _to_255(values: np.ndarray) -> np.ndarray:
    """Numbers of any type -> the same if uint8, else float32 in 0..255 by the rule in the class's docstring."""
    if values.dtype == np.uint8:
        return values
    if not np.isfinite(values).all():
        raise ValueError("A picture must hold finite numbers only; some are not.")
    top = values.max()
    if values.dtype == np.bool_ or (np.issubdtype(values.dtype, np.floating) and top <= 1):
        scale = 255.0
    elif values.dtype == np.uint16 or top > 255:
        scale = 255 / 65535
    else:
        scale = 1.0
    return (values.astype(np.float32) * np.float32(scale)).clip(0, 255)
