"""From a picture of any size and mode to what the SelfCon detector sees: crops of it, never resampled."""

import numpy as np
from PIL import Image
from transformers.image_processing_backends import PilBackend
from transformers.image_processing_utils import BatchFeature
from transformers.processing_utils import ImagesKwargs

from .crops import check_crops, cut_crops

DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""PIL's modes with more than 8 bits a channel, all of them grey."""


class SelfConImageProcessorKwargs(ImagesKwargs, total=False):
    """Options of the image processor, as every one of Transformers has them, ``crops`` and ``turn_upright``."""

    crops: int | str
    turn_upright: bool


class SelfConImageProcessor(PilBackend):
    """Centre crop, padded by reflection on all sides where the picture is smaller, ImageNet mean and std.

    Resampling would erase the fine traces that generators leave, so there is none. ``crop_size`` is a dict with height and
    width (default 256 each). How the modes become RGB:

    - Grey, palette and CMYK pictures as PIL's ``convert("RGB")`` does it.
    - Transparency is dropped, as in the reference: the colours under it are seen, whatever background would hide them.
    - Pictures of more than 8 bits are scaled to 0..255 (PIL alone would clip them to white): from 0..65535 where the type has
      16 bits, else from the smallest of 0..1 (floats only), 0..255 and 0..65535 that holds every value of the picture; what
      lies outside is clipped.

    With ``crops`` above 1 (default 1) a picture that is larger than one crop is seen in up to so many places, and the model
    gives the mean of what it says of them: 5 are the centre and the four corners, other numbers a regular grid, with more
    places along the longer side, "all" the fewest that cover the picture. Places that would be the same are seen once.
    ``pixel_values`` then holds the crops of one picture after those of the other, and ``crop_counts`` how many each picture has.

    Arrays and tensors of numbers follow the last rule too (not with ``do_rescale=False``, which says that they are scaled).
    A picture is taken as its pixels lie; whoever reads the file turns it upright by its EXIF orientation, as ``picture_reader``
    does for the pipelines. ``turn_upright`` (default True) tells them whether to: False in a detector that was trained and
    judged on pictures as they are stored, by the recipe of the paper.
    """

    model_input_names = ["pixel_values"]
    _auto_class = "AutoImageProcessor"
    valid_kwargs = SelfConImageProcessorKwargs
    crops = 1
    turn_upright = True
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

        Where both readings fit, an array has its channels last and a tensor first, as for ``picture_reader``.

        Raises:
            ValueError: if there is no pixel.
        """
        if input_data_format is None and isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] in (1, 3, 4):
            input_data_format = "channels_last"
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

    def _standardize_kwargs(self, crops: int | str | None = None, **kwargs) -> dict:
        """Checks ``crops`` wherever options are given. Raises ValueError unless it is a positive whole number or "all"."""
        return {**super()._standardize_kwargs(**kwargs), "crops": crops if crops is None else check_crops(crops)}

    def center_crop(self, image: np.ndarray, size, **kwargs) -> np.ndarray:
        """(3, H, W) -> (3, size.height, size.width), with as much reflection on each side as is missing there."""
        return cut_crops(image, (size.height, size.width))[0]

    def _preprocess(
        self, images: list[np.ndarray], *, crops: int | str, crop_size, do_center_crop: bool, do_rescale: bool, turn_upright: bool = True,
        **kwargs,
    ) -> BatchFeature:
        if do_rescale:
            images = [_to_255(image) for image in images]
        counts = None
        if crops != 1:
            if not do_center_crop:
                raise ValueError(f"crops={crops} cannot go with do_center_crop=False, which asks for the whole picture.")
            windows = [cut_crops(image, (crop_size.height, crop_size.width), crops) for image in images]
            images, counts = [each for one in windows for each in one], [len(one) for one in windows]
        inputs = super()._preprocess(
            images, crop_size=crop_size, do_center_crop=do_center_crop, do_rescale=do_rescale, **kwargs
        )
        if counts is not None:
            inputs.update(BatchFeature({"crop_counts": counts}, tensor_type=kwargs["return_tensors"]))
        return inputs


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
