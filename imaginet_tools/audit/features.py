"""What the audit looks at in one image: its container, traces of compression in its pixels, plain pixel statistics.

Each set is a mapping name -> finite number. Metadata that an image does not have is -1.
"""

import numpy as np

from imaginet_core.pictures import pixel_statistics
from imaginet_core.pictures.compression_traces import traces
from imaginet_core.pictures.decode import decode
from imaginet_core.pictures.header import Header, read_header

FORMATS = ("JPEG", "PNG", "WEBP")
MODES = ("RGB", "RGBA", "L", "P")
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


def features(content: bytes) -> dict[str, dict[str, float]]:
    """{"metadata": ..., "traces": ..., "statistics": ...} of an image's file.

    Raises:
        ValueError: if it is broken.
    """
    image = decode(content, turn=False)  # traces lie on the grid of the file
    return {
        "metadata": metadata(read_header(content), len(content)),
        "traces": traces(image),
        "statistics": dict(zip(pixel_statistics.NAMES, map(float, pixel_statistics.statistics(image)), strict=True)),
    }


def metadata(header: Header, size: int) -> dict[str, float]:
    """Numbers of a file's header and its size in bytes."""
    luma, chroma = header.luma_table, header.chroma_table
    numbers = {
        "width": header.width, "height": header.height, "shorter_side": min(header.width, header.height),
        "aspect": header.width / header.height,
        "width_mod_64": header.width % 64, "height_mod_64": header.height % 64,
        "quality": header.quality, "libjpeg_table": header.exact,
        "luma_steps": np.mean(luma) if luma else None, "chroma_steps": np.mean(chroma) if chroma else None,
        "webp_quantiser": header.quantiser, "lossy": header.quality is not None,
        "progressive": header.progressive, "exif": header.exif, "icc": header.icc,
        "bytes_per_pixel": size / (header.width * header.height),
    }
    for name, of, known in (
        ("format", header.format, FORMATS), ("mode", header.mode, MODES), ("subsampling", header.subsampling, SUBSAMPLINGS),
    ):
        numbers |= {f"{name}_{value}": of == value for value in known}
    return {name: -1.0 if value is None else float(value) for name, value in numbers.items()}
