"""An evaluation's scores from a cluster: those of the engine for one machine, in the same store, each detector opened where it is asked."""

import csv
import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("ray")

from imaginet_tools.commands.evaluation.evaluate import main, parse  # noqa: E402
from imaginet_tools.evaluation.baselines.feature_baselines import STATISTICS, FeatureScorer  # noqa: E402
from imaginet_tools.evaluation.rivals.endpoint import Endpoint  # noqa: E402
from imaginet_tools.evaluation.rivals.open_any import Choice, open_any  # noqa: E402
from imaginet_tools.evaluation.stored import ray_scoring  # noqa: E402
from imaginet_tools.evaluation.stored.detector_scorer import DetectorScorer  # noqa: E402
from imaginet_tools.evaluation.stored.ray_scoring import AskingActor, RayEngine, batches_of, prepare  # noqa: E402
from imaginet_tools.evaluation.stored.score_images import Job, score_images  # noqa: E402
from imaginet_tools.evaluation.stored.score_store import KEY, SCORES  # noqa: E402
from imaginet_tools.images.image_set import ImageSet  # noqa: E402
from imaginet_tools.inference.saved_detector import open_detector  # noqa: E402
from imaginet_tools.inference.scoring import ray_engine  # noqa: E402
from tests.imaginet_tools.evaluation.simulate import picture  # noqa: E402
from tests.imaginet_tools.evaluation.stored.test_score_images import Brightness  # noqa: E402

MODEL = Path(__file__).parents[3] / "data" / "version_0_1" / "model"
CONDITIONS = ("clean", "jpeg_30", "noise_100")
RIVAL = """
import numpy as np
import torch

class Grain(torch.nn.Module):
    def forward(self, batch):
        return batch.diff(dim=-1).abs().mean((1, 2, 3))[:, None] - 0.05

def make():
    return Grain(), lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
"""


class Cluster:
    """Stands in for Ray: does what it is told at once, on copies made by pickling, and counts what is out and which actors live."""

    def __init__(self, gpus: int = 0, cpus: int = 2):
        self.gpus, self.cpus = gpus, cpus
        self.results, self.out, self.most, self.actors, self.killed = {}, set(), 0, [], []
        self._numbers = count()

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return {"CPU": float(self.cpus), "GPU": float(self.gpus)}

    def put(self, value):
        return self._keep(value)

    def remote(self, **options):
        def wrap(called):
            if isinstance(called, type):
                return SimpleNamespace(remote=partial(self._start, called))
            return SimpleNamespace(remote=partial(self._call, called))

        return wrap

    def wait(self, references, num_returns):
        self.most = max(self.most, len(references))
        return references[-num_returns:], references[:-num_returns]  # not in their order

    def get(self, reference):
        return self.results[reference]

    def kill(self, actor):
        self.killed.append(actor)

    def _keep(self, value) -> str:
        reference = f"reference {next(self._numbers)}"
        self.results[reference] = pickle.loads(pickle.dumps(value))
        return reference

    def _call(self, function, *arguments):
        return self._keep(function(*(self.results[each] if isinstance(each, str) else pickle.loads(pickle.dumps(each)) for each in arguments)))

    def _start(self, kind, *arguments):
        actor = kind(*pickle.loads(pickle.dumps(arguments)))
        handle = SimpleNamespace(ask=SimpleNamespace(remote=partial(self._call, actor.ask)))
        self.actors.append(handle)
        return handle


@pytest.fixture
def cluster(monkeypatch):
    cluster = Cluster()
    monkeypatch.setattr(ray_scoring, "ray", cluster)
    for name in ("cluster_resources", "is_initialized"):
        monkeypatch.setattr(ray_engine.ray, name, getattr(cluster, name))
    return cluster


def write_pictures(folder: Path, number: int) -> ImageSet:
    for each in range(number):
        place = folder / ("real", "synthetic")[each % 2] / f"{each}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(each, 64, 80, grain=3.0 + each)).save(place)
    return ImageSet.from_folder(str(folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve pictures."""
    folder = tmp_path_factory.mktemp("images")
    write_pictures(folder, 12)
    return folder


@pytest.fixture(scope="module")
def images(folder):
    return ImageSet.from_folder(str(folder))


@pytest.fixture(scope="module")
def here(images, tmp_path_factory):
    """(store, rows) of the engine for one machine."""
    store = tmp_path_factory.mktemp("store")
    return store, score_images(DetectorScorer(open_detector(str(MODEL), name="ours")), images, CONDITIONS, store)


def assert_alike(found: dict, expected: dict):
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        for one, other in zip(found[name], rows, strict=True):
            assert one.keys() == other.keys()
            for column in other:
                np.testing.assert_allclose(one[column], other[column], rtol=1e-5, atol=1e-6)


def stored_in(store: Path) -> dict[str, dict[str, dict]]:
    """Key -> SHA-256 -> row of all that is stored."""
    lines = {
        (file.parent / KEY).read_text(encoding="utf-8"): [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for file in store.rglob(SCORES)
    }
    return {key: {row.pop("sha256"): row for row in rows} for key, rows in lines.items()}


def test_rows_and_their_store_are_those_of_one_machine(images, here, cluster, tmp_path):
    scorer = DetectorScorer(open_detector(str(MODEL), name="ours"))
    with RayEngine() as engine:
        found = score_images(scorer, images, CONDITIONS, tmp_path, engine=engine)
    assert_alike(found.rows, here[1].rows)
    assert {"probability", "family"} <= found.rows["clean"][0].keys() and found.computed == 12 * len(CONDITIONS)
    stored, expected = stored_in(tmp_path), stored_in(here[0])
    assert stored.keys() == expected.keys() and all(stored[key].keys() == rows.keys() for key, rows in expected.items())
    assert 1 <= len(cluster.actors) <= 2 and cluster.killed == cluster.actors and cluster.most <= 2 + 2 * 2


def test_each_engine_goes_on_with_what_the_other_stored(images, here, cluster, tmp_path):
    half, scorer = images.select(np.arange(5)), DetectorScorer(open_detector(str(MODEL), name="ours"))
    score_images(scorer, half, ("clean",), tmp_path)
    with RayEngine() as engine:
        assert score_images(scorer, images, ("clean",), tmp_path, engine=engine).computed == 7
        asked = len(cluster.results)
        stored = score_images(scorer, images, ("clean",), tmp_path, engine=engine)
    assert stored.computed == 0 and len(cluster.results) == asked
    assert score_images(scorer, images, ("clean",), tmp_path).rows == stored.rows


def test_no_cluster_is_looked_for_where_all_is_stored(images, here):
    with RayEngine("127.0.0.1:1") as engine:
        stored = score_images(DetectorScorer(open_detector(str(MODEL), name="ours")), images, CONDITIONS, here[0], engine=engine)
        assert stored.rows == here[1].rows
        with pytest.raises(ConnectionError, match="There is no Ray cluster at 127.0.0.1:1"):
            score_images(DetectorScorer(Brightness(), {"model": "new"}), images, ("clean",), here[0], engine=engine)


def test_pixel_statistics_need_no_actor(images, cluster, tmp_path):
    with RayEngine() as engine:
        found = score_images(FeatureScorer(STATISTICS), images, CONDITIONS, tmp_path / "there", engine=engine)
    assert found.rows == score_images(FeatureScorer(STATISTICS), images, CONDITIONS, tmp_path / "here").rows and not cluster.actors


def test_a_detector_that_fails_is_named_with_its_picture_and_what_it_scored_is_kept(images, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_scoring, "COPIES", 3)
    scorer = DetectorScorer(Brightness("rival", fails=images.pixels(7).mean()), {"model": "w"})
    with RayEngine() as engine, pytest.raises(ValueError) as caught:
        score_images(scorer, images, ("clean",), tmp_path, engine=engine)
    told = str(caught.value)
    assert told.startswith(f"rival failed on {images.path[7]} (clean): the network. The ") and "\n" not in told
    assert cluster.killed == cluster.actors
    rest = Brightness("rival")
    again = score_images(DetectorScorer(rest, {"model": "w"}), images, ("clean",), tmp_path)
    assert f"The {12 - rest.seen} scores computed before are kept" in told and 0 < rest.seen < 12 and None not in again.rows["clean"]


def test_what_cannot_be_read_costs_no_other(cluster, tmp_path):
    write_pictures(tmp_path / "images", 6)
    (tmp_path / "images" / "real" / "2.png").write_bytes((tmp_path / "images" / "real" / "4.png").read_bytes()[:200])
    images = ImageSet.from_folder(str(tmp_path / "images"))
    with RayEngine() as engine:
        found = score_images(DetectorScorer(Brightness(), {"model": "w"}), images, ("clean",), tmp_path / "store", engine=engine)
    [(index, reason)] = found.broken.items()
    assert images.path[index] == "real/2.png" and reason.startswith("real/2.png: ") and found.computed == 5


def test_another_model_or_none_on_a_machine_is_refused(images, cluster, tmp_path, monkeypatch):
    (tmp_path / "ray_rival.py").write_text(RIVAL)
    monkeypatch.syspath_prepend(tmp_path)
    scorer = open_any("grain=ray_rival:make", Choice()).scorer
    key = scorer.key("clean")
    prepared = prepare(ray_scoring.Preparing(scorer.preparation, True), [Job(0, "a", images.content_of(0), ("clean",))])
    [_, part] = AskingActor(pickle.dumps(scorer), key).ask(prepared)
    assert part.failure is None and part.rows[0][2].keys() == {"probability"}
    [part] = AskingActor(pickle.dumps(scorer), {**key, "model": "of before"}).ask(prepared)
    assert part.rows == () and f"it has model {key['model']!r} in place of 'of before'" in part.failure.reason
    monkeypatch.delitem(sys.modules, "ray_rival")
    (tmp_path / "ray_rival.py").unlink()
    with RayEngine() as engine, pytest.raises(ValueError, match=r"^grain cannot be opened on the machine \S+ of the cluster: ray_rival:make cannot be imported"):
        score_images(scorer, images, ("clean",), tmp_path / "store", engine=engine)


def test_batches_hold_whole_images_and_enough_of_them():
    jobs = [Job(number, str(number), b"", ("a", "b", "c")[: 1 + number % 3]) for number in range(7)]
    batches = list(batches_of(iter(jobs), 4))
    assert [job.index for batch in batches for job in batch] == list(range(7))
    assert all(sum(len(job.conditions) for job in batch) >= 4 for batch in batches[:-1]) and len(batches) == 3


def test_a_service_is_asked_by_the_machine_that_starts(images, tmp_path):
    from imaginet_tools.evaluation.report_parts import DetectorFacts
    from imaginet_tools.evaluation.reports.build_report import Plan
    from imaginet_tools.evaluation.reports.evaluate_detectors import Contestant, Work, evaluate_detectors

    asked = []

    def engine(scorer, preparing, jobs):
        asked.append(scorer.name)
        return iter(())

    class Service(Brightness):
        is_service = Endpoint.is_service

    service = Service("service")
    contestant = Contestant(DetectorFacts("service", "HTTP endpoint", "x", 0.5, "0.5"), service, DetectorScorer(service, {"model": "s"}))
    evaluate_detectors([contestant], images, Work(("clean",), tmp_path, baselines=False, engine=engine), Plan(resamples=10))
    assert service.seen == 12 and asked == []


@pytest.mark.parametrize("options", [["--ray_address", "auto"], ["--actors", "2"], ["--engine", "ray", "--actors", "0"]])
def test_options_that_do_not_fit_are_refused(options, capsys):
    with pytest.raises(SystemExit):
        parse(["--model", "m", "--folder", "f", "--output", "o", *options])
    assert "--actors" in capsys.readouterr().err


def scores_of(output: Path) -> list[dict]:
    with open(output / "scores.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@contextmanager
def cluster_of(nodes: int) -> Iterator[list[str]]:
    """Options that name a cluster of so many nodes on this machine; of one, Ray's own."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = None
    try:
        if nodes > 1:
            cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
            for _ in range(nodes - 1):
                cluster.add_node(num_cpus=2)
        yield [] if cluster is None else ["--ray_address", cluster.address]
    finally:
        ray.shutdown()
        if cluster is not None:
            cluster.shutdown()


@pytest.mark.slow  # Ray in the process of the tests may end it
@pytest.mark.parametrize("nodes", [1, 2])
def test_a_real_cluster_gives_the_report_of_one_machine(folder, tmp_path, monkeypatch, nodes):
    (tmp_path / "rival_of_cluster.py").write_text(RIVAL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # for the processes that Ray starts
    monkeypatch.delitem(sys.modules, "rival_of_cluster", raising=False)  # the same text from another folder
    torch.set_num_threads(1)
    with cluster_of(nodes) as address:
        for engine, where in (("local", []), ("ray", address)):
            main([
                "--model", f"ours={MODEL}", "grain=rival_of_cluster:make", "--folder", str(folder), "--conditions", "jpeg_30", "--engine", engine, *where, "--device", "cpu",
                "--output", str(tmp_path / engine), "--store", str(tmp_path / f"store {engine}"), "--workers", "1", "--resamples", "20", "--out_of_scope", "1",
            ])
    found, expected = scores_of(tmp_path / "ray"), scores_of(tmp_path / "local")
    assert len(found) == len(expected) == 48 and {row["detector"] for row in found} == {"ours", "grain"}
    for one, other in zip(found, expected, strict=True):
        assert {name: one[name] for name in ("path", "detector", "condition")} == {name: other[name] for name in ("path", "detector", "condition")}
        assert float(one["probability"]) == pytest.approx(float(other["probability"]), abs=1e-6)
    found, expected = stored_in(tmp_path / "store ray"), stored_in(tmp_path / "store local")
    assert len(expected) == 2 * 2 + 2 + 1  # detectors and pixel statistics under both conditions, metadata
    assert found.keys() == expected.keys() and all(found[key].keys() == rows.keys() for key, rows in expected.items())
    for key, rows in expected.items():
        assert_alike({sha256: [found[key][sha256]] for sha256 in rows}, {sha256: [row] for sha256, row in rows.items()})
