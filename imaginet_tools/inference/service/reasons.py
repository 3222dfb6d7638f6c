"""What stands beside a score in the service's answers, each within limits of its own: provenance, and heat maps where they are asked for."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from imaginet_core.pictures.sources import PictureError
from imaginet_core.provenance.manifest import SECONDS
from imaginet_core.provenance.read_provenance import read_provenance
from imaginet_tools.inference.heat_maps.local_scores import check_heat_maps
from imaginet_tools.inference.saved_detector import SavedDetector

PROVENANCE_READERS = 2
"""Threads, and so processes that check signed manifests at a time."""
MOST_MAPS = 8
"""Heat maps that are computed or wait at a time; one is computed after the other."""


class MapsFull(Exception):
    """So many heat maps are waited for already that this one would wait too long."""


class Reasons:
    """Reads provenance and computes heat maps of files, in threads beside those that read and score.

    Args:
        detector: that has the heat maps.
        seconds: of a request; provenance gets half of them at most.
        map_pixels: of the largest picture that a heat map is computed of.
    """

    def __init__(self, detector: SavedDetector, seconds: float, map_pixels: int):
        self.detector, self.seconds = detector, seconds
        self.map_limits = replace(detector.limits, pixels=min(map_pixels, detector.limits.pixels))
        self.readers = ThreadPoolExecutor(PROVENANCE_READERS, thread_name_prefix="provenance")
        self.maps, self.maps_waiting = ThreadPoolExecutor(1, thread_name_prefix="map"), 0

    def close(self) -> None:
        """Ends the threads when what they do is done."""
        self.readers.shutdown(cancel_futures=True)
        self.maps.shutdown(cancel_futures=True)

    async def provenance(self, content: bytes) -> dict:
        """As ``Provenance.as_dict``, or {"error": sentence}: what goes wrong here costs no score."""
        most = self.seconds / 2
        read = partial(read_provenance, content, name="the picture", limits=self.detector.limits, seconds=min(SECONDS, most))
        try:
            return (await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self.readers, read), most)).as_dict()
        except TimeoutError:
            return {"error": f"Reading what the file states took longer than {most:g} seconds."}
        except PictureError as error:
            return {"error": str(error)}

    async def heat_map(self, content: bytes) -> dict:
        """As ``HeatMap.as_dict``.

        Raises:
            MapsFull: where too many wait.
            PictureError: for a picture that is too large for a heat map.
        """
        if self.maps_waiting >= MOST_MAPS:
            raise MapsFull
        self.maps_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.maps, self._map, content)
        finally:
            self.maps_waiting -= 1

    def check_maps(self) -> None:
        """Raises ValueError, in one sentence, where the detector has no heat maps."""
        check_heat_maps(self.detector.network)

    def _map(self, content: bytes) -> dict:
        return self.detector.heat_map(content, "the picture", self.map_limits).as_dict()
