"""A detector from its folder or its name on the Hub, whatever engine computes it: pictures in, answers out."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from imaginet_core.detection.crops import check_crops
from imaginet_core.detection.heat_map import HeatMap
from imaginet_core.detection.verdict import choose_threshold, is_uncertain
from imaginet_core.pictures.decode import read_picture
from imaginet_core.detection.windows import MEAN, check_rule, combine_windows
from imaginet_core.pictures.sources import LIMITS, Limits
from imaginet_tools.inference.detector import Answers, Detector
from imaginet_tools.inference.heat_maps.local_scores import heat_map_by
from imaginet_tools.inference.networks.engines import AUTO, open_network
from imaginet_tools.inference.networks.network import Logits
from imaginet_tools.inference.preparation import Preparation, Prepared


def open_detector(place: str, backend: str = AUTO, device: str | None = None, **options) -> "SavedDetector":
    """A detector that was saved, exported or pushed; the arguments are those of :class:`SavedDetector`."""
    return SavedDetector(place, backend, device, **options)


class SavedDetector(Detector):
    """Answers of a saved detector. It can be pickled: whoever unpickles it loads the model again.

    Args:
        place: folder of a saved or an exported model, or name on the Hub. The code in a model folder is run.
        backend: a name in ``networks.engines.ENGINES``; "auto" for that of an exported folder, else PyTorch.
        device: "cpu", "cuda", …; by default the best that there is.
        operating_point: name of one of the model's thresholds (default: "balanced", and 0.5 where the model has none).
        crops: in how many places a picture is seen, or "all" (default: as the folder says).
        windows: the same, for large pictures, combined by ``window_rule``; give one of the two.
        window_rule: a name in ``imaginet_core.detection.windows.RULES`` (default: "mean logit", as of crops). Thresholds were fitted on
            single crops: they keep their meaning with the means alone.
        limits: what a picture may cost, see ``imaginet_core.pictures.sources.Limits``, or a dict of those that differ.
        batch_size: crops that are computed at a time (default: the engine's).
        name: in tables (default: the place).
        early_exit: let the sub-network answer alone where it is sure, and with the thresholds that were fitted so; PyTorch only.
            Such pictures get neither family nor generator.
        options: ``revision`` and ``trust_remote_code`` for a model on the Hub, ``dtype`` for PyTorch, ``threads`` for
            the other engines.

    Attributes:
        threshold: at or above this probability a picture is called synthetic; 0.5 where the model has no operating points.
        network: the engine, see ``networks.network.Network``.
        preparation: its first step, which other processes can do without the network.

    Raises:
        ValueError, FileNotFoundError, ModuleNotFoundError: as ``networks.engines.open_network``; ValueError also for an operating
            point that the model has not.
    """

    def __init__(
        self, place: str, backend: str = AUTO, device: str | None = None, *, operating_point: str | None = None,
        crops: int | str | None = None, windows: int | str | None = None, window_rule: str = MEAN, limits: Limits | dict | None = None, batch_size: int | None = None,
        name: str | None = None, early_exit: bool = False, **options,
    ):
        options |= {"early_exit": True} if early_exit else {}
        self._arguments = (
            (str(place), backend, device),
            {
                "operating_point": operating_point, "crops": crops, "windows": windows, "window_rule": window_rule, "limits": limits,
                "batch_size": batch_size, "name": name, **options,
            },
        )
        if crops is not None and windows is not None:
            raise ValueError("crops and windows are two names of the same number; give one of them.")
        crops, self.window_rule = windows if crops is None else crops, check_rule(window_rule)
        self.name = name or str(place)
        self.limits = replace(LIMITS, **limits) if isinstance(limits, dict) else limits or LIMITS
        self.network = open_network(str(place), backend, device=device, **options)
        settings = self.network.settings
        self.early_exit = early_exit
        self.crops = settings.crops if crops is None else check_crops(crops)
        self.operating_point, self.threshold = choose_threshold(settings.operating_points, operating_point)
        self.preparation = Preparation(settings.crop_size, self.crops, settings.turn_upright, self.limits)
        self.families, self.generators = settings.families, settings.generators
        self.batch_size = batch_size or self.network.batch_size

    def __reduce__(self):
        (place, backend, device), options = self._arguments
        place = os.path.abspath(place) if os.path.exists(place) else place  # it may be opened by a process in another folder
        return _reopen, ((place, backend, device), {**options, "name": self.name})

    def scores(self, pictures: Sequence, heatmap: bool = False) -> Answers:
        """Answers for N ≥ 1 pictures, each in any form that the reader takes (``imaginet_core.pictures.decode.read_picture``):
        path, bytes, file, address, base64, PIL image, array, tensor. One that cannot be read costs only its own answer.

        ``heatmap``: with :meth:`heat_map` of each."""
        answers = self.scores_of_prepared([self.prepare(picture) for picture in pictures])
        if not heatmap:
            return answers
        maps = [None if error else self.heat_map(picture) for picture, error in zip(pictures, answers.error, strict=True)]
        return answers._replace(heat_map=_objects(maps))

    def heat_map(self, picture, name: str | None = None, limits: Limits | None = None) -> HeatMap:
        """Local scores over a whole picture, whatever ``crops`` says; a second pass beside its score.

        ``name``: for messages; ``limits``: of the picture (default: the detector's).

        Raises:
            PictureError: for a picture that cannot be read.
            ValueError: for an exported model, which gives scores alone.
        """
        read = read_picture(picture, name=name, turn=self.preparation.turn_upright, notes=False, limits=limits or self.limits)
        return heat_map_by(self.network, read.pixels, self.threshold)

    def prepare(self, picture, name: str | None = None) -> Prepared:
        """Reads a picture; needs no network, so that other processes can do it. ``name``: for messages."""
        return self.preparation.prepare(picture, name)

    def scores_of_prepared(self, prepared: Sequence[Prepared]) -> Answers:
        """Answers for what :meth:`prepare` gave."""
        counts = [0 if each.crops is None else len(each.crops) for each in prepared]
        of_crops = self._logits_of_crops(prepared)
        logits = Logits(*(_by_picture(column, counts, _mean) for column in of_crops))
        if self.window_rule != MEAN:
            logits = logits._replace(origin=_by_picture(of_crops.origin, counts, self._combine))
        probability = self.network.settings.probability(logits.origin)
        return Answers(
            probability, logits.family, logits.generator, logits.feature, logits.origin.astype(np.float64),
            sub_logit=None if logits.sub is None else logits.sub.astype(np.float64),
            outcome=np.array([self._outcome(*each) for each in zip(probability, prepared, strict=True)]),
            notes=_objects([each.notes for each in prepared]), error=_objects([each.error for each in prepared]),
        )

    def label_of(self, probability: float) -> str:
        """The class that a probability of "synthetic" means at the detector's threshold, whatever the doubt."""
        return self.network.settings.id2label[int(probability >= self.threshold)]

    def _outcome(self, probability: float, prepared: Prepared) -> str:
        if prepared.error is not None:
            return ""
        settings = self.network.settings
        if is_uncertain(probability, settings.uncertain, prepared.notes):
            return "uncertain"
        return self.label_of(probability)

    def _combine(self, windows: np.ndarray) -> np.ndarray:
        return combine_windows(windows, self.window_rule, self.network.settings) if len(windows) else np.float32(np.nan)

    def _logits_of_crops(self, prepared: Sequence[Prepared]) -> Logits:
        parts = [self.network(batch) for batch in self._batches(prepared)]
        if not parts:  # not one picture could be read
            kinds = (np.empty((0, len(names)), np.float32) if names else None for names in (self.families, self.generators))
            return Logits(np.empty(0, np.float32), None, *kinds)
        return Logits(*(None if column[0] is None else np.concatenate(column) for column in zip(*parts, strict=True)))

    def _batches(self, prepared: Sequence[Prepared]) -> Iterator[np.ndarray]:
        crops = [crop for each in prepared if each.crops is not None for crop in each.crops]
        for start in range(0, len(crops), self.batch_size):
            yield np.stack(crops[start : start + self.batch_size])


def _by_picture(values: np.ndarray | None, counts: list[int], combine: Callable[[np.ndarray], np.ndarray]) -> np.ndarray | None:
    """Rows of crops, one picture after the other -> a row a picture: what ``combine`` makes of its crops."""
    if values is None:
        return None
    ends = np.cumsum(counts)
    combined = [combine(values[end - count : end]) for count, end in zip(counts, ends, strict=True)]
    return np.array(combined, dtype=values.dtype)


def _mean(rows: np.ndarray) -> np.ndarray:
    """The mean of a picture's crops, NaN where it has none. Crops that left early have no family, generator and feature; there it is
    that of the others."""
    there = rows[~np.isnan(rows).any(axis=tuple(range(1, rows.ndim)))]
    return there.mean(0) if len(there) else np.full(rows.shape[1:], np.nan)


def _objects(values: list) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _reopen(place: tuple, options: dict) -> SavedDetector:
    return SavedDetector(*place, **options)
