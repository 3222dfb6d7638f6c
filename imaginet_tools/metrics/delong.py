"""The AUC's standard error without resampling: DeLong et al. (1988), for images that share source images Obuchowski (1997)."""

import numpy as np
from scipy.stats import norm, rankdata

from imaginet_tools.metrics.estimate import Estimate


def auc_of(label: np.ndarray, score: np.ndarray) -> float:
    """The share of pairs of a real (0) and a synthetic (1) image in which the synthetic one scores higher; ties count half."""
    ranks, synthetic = rankdata(score), label == 1
    count = int(synthetic.sum())
    return float((ranks[synthetic].sum() - count * (count + 1) / 2) / (count * (len(label) - count)))


def delong(label: np.ndarray, score: np.ndarray, source: np.ndarray) -> Estimate:
    """The AUC with a 95 % interval from its asymptotic normal distribution.

    The structural components come from ranks (Sun and Xu, 2014, https://doi.org/10.1109/LSP.2014.2337313). Those of the images of
    one source image are added up before they vary (Obuchowski, 1997, https://doi.org/10.2307/2533958); where each image has a
    source image of its own this is DeLong's interval (https://doi.org/10.2307/2531595).

    Args:
        label: int (N,), 0 real, 1 synthetic; both must occur.
        score: float (N,).
        source: int (N,), number of each image's source image.
    """
    synthetic = label == 1
    count, others = int(synthetic.sum()), int((~synthetic).sum())
    ranks = rankdata(score)
    component = np.empty(len(label))
    component[synthetic] = (ranks[synthetic] - rankdata(score[synthetic])) / others
    component[~synthetic] = 1 - (ranks[~synthetic] - rankdata(score[~synthetic])) / count
    auc = float(component[synthetic].mean())
    numbers, sources = np.unique(source, return_inverse=True)
    gaps = [np.bincount(sources, (component - auc) * chosen, len(numbers)) for chosen in (synthetic, ~synthetic)]
    have = [len(np.unique(sources[chosen])) for chosen in (synthetic, ~synthetic)]
    if min(have) < 2:
        return Estimate(auc, reason="one source image in one class; an interval needs two")
    variances = [(gap**2).sum() * each / (each - 1) / size**2 for gap, each, size in zip(gaps, have, (count, others), strict=True)]
    both = len(numbers) / (len(numbers) - 1) * (gaps[0] * gaps[1]).sum() / (count * others)
    error = float(np.sqrt(max(0.0, sum(variances) + 2 * both)))
    if error == 0:
        return Estimate(auc, reason="no synthetic image scores below a real one, or all do; the error cannot be told")
    reach = float(norm.ppf(0.975)) * error
    return Estimate(auc, max(0.0, auc - reach), min(1.0, auc + reach))
