"""The files that failed before (shared/cases): each is read with the right notes, or refused in one sentence, quickly and in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imaginet_core.pictures.decode import decode

SCRIPT = r"""
import json, re, resource, sys, time
from pathlib import Path
from imaginet_core.pictures.decode import read_picture
from imaginet_core.pictures.sources import PictureError
resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
found = {}
for path in sys.argv[1:]:
    start = time.process_time()
    try:
        picture = read_picture(path, crop=(256, 256))
        answer = {"shape": picture.pixels.shape, "notes": [note.name for note in picture.notes]}
        del picture
    except PictureError as error:
        answer = {"error": str(error)}
    found[path.rpartition("/")[2]] = {**answer, "seconds": time.process_time() - start}
# not ru_maxrss, which begins with the memory of the process that started this one
found["peak"] = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**20
print(json.dumps(found))
"""
NO_FORMAT = "it is no JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC file"
REFUSED = {
    "accepted_but_undecodable": "it is broken", "avif_runtimeerror.jpg": "it is broken", "png_syntaxerror.jpg": "it is broken",
    "jpeg_no_dqt.jpg": "it is broken", "jpeg_height0.jpg": "it is broken", "jpeg_cut50.jpg": "truncated", "png_cut_iend.png": "truncated",
    "jpeg_hdr13000.jpg": "promises 13000 × 13000 pixels", "jpeg_hdr65535.jpg": "more than the limit of 200,000,000", "empty.jpg": "it is empty",
    **dict.fromkeys(("blp_", "dds_", "eps.jpg", "html.jpg", "one_byte", "ppm_plain", "qoi_short", "svg.jpg", "text.jpg"), NO_FORMAT),
}
"""Start of a name -> a part of the sentence."""
NOTES = {
    "1x20000.png": "padded", "20000x1.jpg": "padded", "2x2.png": "padded", "one_by_one.png": "padded flat",
    "anim.apng.png": "animated", "anim.gif": "animated", "anim.webp": "animated", "bomb_png16_13000.png": "deep flat",
    **{f"exif{number}.jpg": "turned" for number in range(2, 9)}, "exif_6_badtag.jpg": "turned", "exif_6_undefascii.jpg": "turned",
    **dict.fromkeys(("float01.tiff", "float255.tiff", "grey12in16.tiff", "grey16.png", "grey_as_16_bit.png", "int32.tiff"), "deep"),
    **dict.fromkeys(("icc_garbage.jpg", "srgb.jpg"), "colour profile"),
    "jpeg_cut25_eoi.jpg": "truncated flat", "jpeg_cut50_eoi.jpg": "truncated", "jpeg_cut90_eoi.jpg": "truncated",
    **dict.fromkeys(("palette_trans.gif", "palette_trans.png", "rgba_alpha0.png", "synthetic_hidden_under_alpha0.png"), "transparent"),
}
"""Name -> notes that it must have; files that are not named here are read with none of these."""


def pictures(shared: Path) -> list[Path]:
    folder = shared / "cases" / "pictures"
    if not folder.is_dir():
        pytest.skip("needs the inputs that failed before: no folder cases/pictures in the reference material")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def answers(shared, repository) -> dict:
    command = [sys.executable, "-W", "error", "-c", SCRIPT, *map(str, pictures(shared))]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


def test_each_is_read_or_refused_in_one_sentence_as_it_must_be(answers, shared):
    for file in pictures(shared):
        found, refused = answers[file.name], [part for start, part in REFUSED.items() if file.name.startswith(start)]
        if refused:
            sentence = found["error"]
            assert refused[0] in sentence and sentence.startswith(str(file)) and sentence.endswith(".") and "\n" not in sentence
        else:
            assert "error" not in found, found["error"]
            wanted = NOTES.get(file.name, "").replace("colour profile", "profile").split()
            notes = [note.replace("colour profile", "profile") for note in found["notes"]]
            may_be_flat = {"flat"} if min(found["shape"][:2]) == 1 else set()  # a line of pixels
            assert set(wanted) <= set(notes) <= {*wanted, *may_be_flat}, file.name


def test_each_takes_less_than_10_seconds_and_all_less_than_2_gigabytes(answers):
    peak = answers["peak"]
    slowest = max((found["seconds"], name) for name, found in answers.items() if name != "peak")
    assert slowest[0] < 10 and peak < 2, (slowest, peak)


def test_one_picture_at_two_depths_is_one_picture(shared):
    files = {file.name: file for file in pictures(shared)}
    deep, plain = (decode(files[f"grey_as_{bits}_bit.png"].read_bytes()).astype(int) for bits in (16, 8))
    assert np.abs(deep - plain).max() <= 1
