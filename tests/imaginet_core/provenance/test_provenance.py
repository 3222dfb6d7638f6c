"""What files state about their origin is found where it stands, taken for what it is worth, and never a part of a score."""

import json
import random
import re
import subprocess
import sys
import zlib

import pytest

from imaginet_core.pictures.sources import LIMITS, PictureError
from imaginet_core.provenance import c2pa_process, containers, manifest
from imaginet_core.provenance.generators import NAMES, SIGNS
from imaginet_core.provenance.read_provenance import NOTHING, WORTH
from imaginet_core.provenance.read_provenance import read_provenance as read
from imaginet_tools.commands import main
from tests.fuzz.mutate_pictures import ANY, OF_FORMAT, mutated
from tests.imaginet_core.provenance.signed_pictures import (
    STEPS, SYNTHETIC, Authority, comment, exif, extended_xmp, gif_xmp, iptc, picture, png_chunk, saved, stored_png, texts, xmp,
)

FORMATS = ("JPEG", "PNG", "WEBP")
CAMERA = {0x010F: "Leica", 0x0110: "M11"}
SWARM = json.dumps({"sui_image_params": {"prompt": "a red fox"}})
COMFY = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 5}}})
TYPE = f'Iptc4xmpExt:DigitalSourceType="{SYNTHETIC}"'


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def signed(authority):
    return {kind: authority.sign(saved(kind), kind) for kind in FORMATS}


# manifests


@pytest.mark.parametrize("kind", FORMATS)
def test_a_manifest_is_valid_and_trusted_only_by_who_trusts_its_signer(kind, signed, authority):
    found = read(signed[kind])
    assert found.manifest.state == "valid" and found.manifest.signer == "Example Signer" and found.manifest.organisation == "Example News"
    assert found.manifest.actions == ("c2pa.created (Example Model)",) and found.manifest.source_types == (SYNTHETIC,)
    assert found.manifest.generator == "Example Camera Club" and found.says_synthetic
    assert [each.kind for each in found.entries] == ["valid", "signed source type"] and "not established" in found.entries[0].worth
    trusted = read(signed[kind], trust_anchors=authority.anchors)
    assert trusted.manifest == found.manifest._replace(state="trusted") and trusted.entries[0].worth == WORTH["trusted"]
    assert read(signed[kind], trust_anchors=Authority().anchors).manifest.state == "valid"


@pytest.mark.parametrize("kind", FORMATS)
def test_pixels_changed_after_signing_make_a_manifest_invalid(kind, signed, authority):
    content = bytearray(signed[kind])
    content[len(saved(kind)) // 2 if kind == "WEBP" else -400] ^= 1  # among the pixels' data, which stand behind in JPEG and PNG
    found = read(bytes(content), trust_anchors=authority.anchors)
    assert found.manifest.state == "invalid" and "assertion.dataHash.mismatch" in found.manifest.reason
    assert found.entries[0].kind == "invalid" and "neither for the picture nor against it" in found.entries[0].worth


def test_what_an_ingredient_was_is_told_apart_from_what_the_picture_is(authority, signed):
    import io

    import c2pa
    from cryptography.hazmat.primitives import serialization as form

    key = authority.key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    chain = (authority._pem(authority.signer) + authority.anchors).encode()
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", chain, key, None))
    builder, file = c2pa.Builder(json.dumps({"claim_generator_info": [{"name": "Editor", "version": "1"}]})), io.BytesIO()
    builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
    builder.add_ingredient(json.dumps({"title": "x", "relationship": "parentOf"}), "image/jpeg", io.BytesIO(signed["JPEG"]))
    builder.sign(signer, "image/jpeg", io.BytesIO(signed["JPEG"]), file)
    found = read(file.getvalue())
    assert found.manifest.state == "valid" and found.manifest.source_types == ()
    assert found.manifest.ingredient_source_types == (SYNTHETIC,) and found.says_synthetic
    assert ("signed source type", "C2PA manifest of an ingredient") in [each[:2] for each in found.entries]


def test_without_the_library_a_manifest_is_still_told_of(signed, monkeypatch):
    monkeypatch.setattr(manifest.sys, "executable", sys.executable)
    code = "import sys; sys.modules['c2pa'] = None; import runpy; runpy.run_path(sys.argv[-1], run_name='__main__')"
    run = subprocess.run
    monkeypatch.setattr(
        manifest.subprocess, "run", lambda command, **given: run([sys.executable, "-c", code, command[-1]], **given),
    )
    found = read(signed["PNG"])
    assert found.manifest.state == "present" and found.manifest.reason == manifest.INSTALL and "pip install" in found.entries[0].states
    assert read(saved("PNG", pnginfo=texts(parameters=STEPS))).entries[0].generator == "Stable Diffusion web UI"


def test_a_library_that_crashes_or_hangs_costs_the_check_alone(signed, monkeypatch, tmp_path):
    for code, reason in (("import os; os.kill(os.getpid(), 11)", "status -11"), ("import time; time.sleep(60)", "longer than 0.5 s")):
        (tmp_path / "c2pa_process.py").write_text(code)
        monkeypatch.setattr(c2pa_process, "__file__", str(tmp_path / "c2pa_process.py"))
        found = read(signed["JPEG"], seconds=0.5)
        assert found.manifest.state == "present" and reason in found.manifest.reason


def test_what_is_no_certificate_is_refused(signed):
    for file in (signed["JPEG"], saved("JPEG")):
        with pytest.raises(ValueError, match="no text in PEM"):
            read(file, trust_anchors="trust me")


# what anyone can write

MARKS = {
    "Fooocus": saved("PNG", pnginfo=texts(fooocus_scheme="fooocus", parameters='{"prompt": "a red fox"}')),
    "SwarmUI": saved("PNG", pnginfo=texts(parameters=SWARM)),
    "ComfyUI": saved("PNG", pnginfo=texts(prompt=COMFY)),
    "InvokeAI": saved("PNG", pnginfo=texts(invokeai_metadata='{"positive_prompt": "a red fox"}')),
    "NovelAI": saved("PNG", pnginfo=texts(Software="NovelAI", Comment='{"uc": "blurry"}')),
    "Easy Diffusion": saved("JPEG", exif=exif(inner={0x9286: comment('{"use_stable_diffusion_model": "sd-v1-5"}')})),
    "Stable Diffusion web UI": saved("JPEG", exif=exif(inner={0x9286: comment(STEPS)})),
    "Midjourney": saved("PNG", pnginfo=texts(Description="a red fox --v 6 Job ID: a7421d2f-b262-44f9-977c-ac23e9c7d3e3")),
    "Draw Things": saved("JPEG", xmp=xmp('xmp:CreatorTool="Draw Things"')),
    "Google AI": saved("JPEG", xmp=xmp("", "<ps:Credit>Made with Google AI</ps:Credit>")),
    "Example Model 3": saved("WEBP", xmp=xmp('Iptc4xmpExt:AISystemUsed="Example Model 3"')),
}


@pytest.mark.parametrize("name", MARKS)
def test_each_generator_is_known_by_its_mark(name):
    found = [each for each in read(MARKS[name]).entries if each.kind == "generator"]
    assert [each.generator for each in found] == [name] and "anyone can write" in found[0].worth


def test_every_sign_of_the_table_has_its_case_and_stands_in_the_docs(repository):
    assert {sign.generator for sign in SIGNS} == {name if name != "Example Model 3" else "" for name in MARKS}
    page = (repository / "docs" / "provenance.md").read_text(encoding="utf-8")
    for sign in SIGNS:
        assert sign.marks.replace("|", "\\|") in page and sign.source in page, sign.generator
    assert all(name in page for name in NAMES)


def test_marks_are_found_in_every_container():
    for content in (
        saved("PNG", exif=exif(inner={0x9286: comment(STEPS)})), saved("WEBP", exif=exif(inner={0x9286: comment(STEPS)})),
        saved("AVIF", exif=exif(inner={0x9286: comment(STEPS)})), saved("TIFF", exif=exif({0x0131: "Midjourney 7"})),
        saved("WEBP", exif=exif({0x0110: f"prompt:{COMFY}"})), saved("PNG", exif=exif({0x0131: "Fooocus v2.5"})),
    ):
        found = read(content)
        assert found.says_synthetic and found.broken is None and "camera" not in [each.kind for each in found.entries], found


def test_other_programs_are_no_generators():
    files = [
        saved("PNG", pnginfo=texts(prompt="who took this?", Description="the 4 o'clock Job ID: 12", parameters="f/8, 1/125 s")),
        saved("JPEG", exif=exif({0x0131: "Adobe Photoshop 26.0"})), saved("JPEG", xmp=xmp('xmp:CreatorTool="Gemini Photo Viewer"')),
        saved("PNG", pnginfo=texts(prompt="[" * 100_000, workflow="{" * 100_000)),
    ]
    for content in files:
        found = read(content)
        assert not found.says_synthetic and {each.kind for each in found.entries} <= {"program"}


@pytest.mark.parametrize("kind", [*FORMATS, "AVIF"])
def test_a_source_type_is_read_as_attribute_and_as_resource(kind):
    for packet in (xmp(TYPE), xmp("", f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{SYNTHETIC}"/>')):
        found = read(saved(kind, xmp=packet))
        assert [each.states for each in found.entries if each.kind == "source type"] == ["trainedAlgorithmicMedia"] and found.says_synthetic
    taken = read(saved(kind, xmp=xmp(TYPE.replace("trainedAlgorithmicMedia", "digitalCapture"))))
    assert taken.entries[0].states == "digitalCapture" and not taken.says_synthetic


def test_iptc_credit_and_program():
    content = saved("JPEG")
    found = read(content[:2] + iptc(credit="Made with Google AI", program="Adobe Firefly") + content[2:])
    assert [each.generator for each in found.entries] == ["Google AI", "Adobe Firefly", None]


def test_camera_fields_are_as_stated_and_no_position_is_told():
    content = saved("JPEG", exif=exif(CAMERA, {0x9003: "2026:05:01 10:00:00", 0xA434: "Summilux 35"}, {2: (52.0, 31.0, 12.0)}))
    (entry,) = read(content).entries
    assert entry.states == "Leica M11, lens Summilux 35, taken 2026:05:01 10:00:00, a position is stated" and "52" not in entry.states
    assert "does not prove" in entry.worth


def test_an_address_of_a_manifest_is_told_and_not_asked(monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *given: pytest.fail("something was asked"))
    found = read(saved("JPEG", xmp=xmp('dcterms:provenance="https://example.org/a.c2pa"')))
    assert [each.kind for each in found.entries] == ["elsewhere"] and found.manifest.state == "none"


def test_nothing_stated_proves_nothing():
    found = read(saved("JPEG"))
    assert found.entries == () and found.as_dict()["worth"] == NOTHING and "proves nothing" in NOTHING


# containers are walked, not searched


@pytest.mark.parametrize("kind", FORMATS)
def test_what_stands_behind_the_picture_or_in_its_pixels_is_no_metadata(kind, signed):
    stray = b"caBX" + saved("PNG", pnginfo=texts(parameters=STEPS)) + xmp(TYPE) + signed["JPEG"]
    assert read(saved(kind) + stray).entries == ()
    line = png_chunk(b"tEXt", b"parameters\0" + STEPS.encode())[:64]
    stored = stored_png(b"".join([line.ljust(64), b"Software\0Midjourney".ljust(64)]))
    assert b"tEXtparameters" in stored and read(stored).entries == () and read(stored).broken is None


def test_what_lies_before_a_break_is_told_with_where_it_breaks():
    content = saved("PNG", pnginfo=texts(parameters=STEPS))
    found = read(content[:-30])
    assert found.entries[0].generator == "Stable Diffusion web UI" and "breaks off at byte" in found.broken
    place = content.index(b"tEXt") + 20
    wrong = read(content[:place] + b"?" + content[place + 1 :])
    assert wrong.entries == () and "checksum" in wrong.broken
    assert "breaks off" in read(saved("JPEG")[:-40]).broken


def test_a_document_type_is_refused_before_its_entities_grow():
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + xmp(TYPE)
    found = read(saved("JPEG", xmp=bomb))
    assert found.entries == () and "document type" in found.broken
    assert "cannot be read" in read(saved("JPEG", xmp=b"<x:xmpmeta")).broken


def with_segments(segments: list[bytes]) -> bytes:
    content = saved("JPEG")
    return content[:2] + b"".join(segments) + content[2:]


def test_xmp_that_is_longer_than_a_segment_is_put_together():
    rest = xmp(TYPE, f"<dc:description>{'x' * 500}</dc:description>")
    main, *pieces = extended_xmp('xmp:CreatorTool="Editor"', rest)
    assert len(pieces) > 5
    for order in (pieces, pieces[::-1]):
        found = read(with_segments([*order, main]))
        assert {each.states for each in found.entries} == {"trainedAlgorithmicMedia", "Editor"} and found.broken is None
    assert read(with_segments([main.replace(b"Editor", b"Other!"), *pieces])).broken is None  # of a main part that was edited later
    stray = read(with_segments([xmp_segment for xmp_segment in pieces]))  # nothing names it
    assert stray.entries == () and stray.broken is None


@pytest.mark.parametrize("change, said", [
    (lambda main, pieces: [main, *pieces[:-1]], "is not whole"), (lambda main, pieces: [main, *pieces, pieces[0]], "is not whole"),
    (lambda main, pieces: [main, *pieces[:2], pieces[3], pieces[2][:79], *pieces[4:]], "breaks off|not whole"),
    (lambda main, pieces: [main], "that the file has not"),
    (lambda main, pieces: [main, *(piece.replace(b"xx", b"yy") for piece in pieces)], "not the one that the first part names"),
    (lambda main, pieces: [main, *(piece.replace(piece[71:75], b"\x7f\xff\xff\xff") for piece in pieces)], "more than 8,388,608 bytes"),
])
def test_the_rest_of_xmp_that_is_not_whole_is_told_and_the_first_part_stays(change, said):
    rest = xmp(TYPE, f"<dc:description>{'x' * 500}</dc:description>")
    main, *pieces = extended_xmp('xmp:CreatorTool="Editor"', rest)
    found = read(with_segments(change(main, pieces)))
    assert [each.states for each in found.entries] == ["Editor"] and re.search(said, found.broken)


def test_a_gif_s_manifest_comment_and_xmp_are_found_and_what_lies_in_its_pixels_is_not(authority):
    plain = saved("GIF", comment=b"made by hand")
    assert read(plain).entries == () and read(plain).broken is None
    signed = authority.sign(plain, "GIF")
    assert read(signed, trust_anchors=authority.anchors).manifest.state == "trusted"
    damaged = bytearray(signed)
    damaged[-300] ^= 1
    assert read(bytes(damaged)).manifest.state == "invalid"
    start = 13 + 3 * 256
    assert plain[start : start + 1] == b"!"
    for length in range(256):  # the trailer is passed over wherever the walk comes into it
        stated = plain[:start] + gif_xmp(xmp(TYPE) + b" " * length) + plain[start:]
        found = read(stated)
        assert [each.states for each in found.entries] == ["trainedAlgorithmicMedia"] and found.broken is None, length
    commented = plain[:start] + b"!\xfe" + bytes([len(STEPS)]) + STEPS.encode() + b"\0" + plain[start:]
    assert containers.parts_of(commented, "GIF", LIMITS)[0][0].data == STEPS.encode()
    assert "breaks off" in read(plain[:-20]).broken and "breaks off" in read(stated[: start + 40]).broken
    assert read(plain + gif_xmp(xmp(TYPE))).entries == ()


def test_a_text_that_unpacks_to_a_great_length_is_cut(monkeypatch):
    monkeypatch.setattr(containers, "LONGEST_TEXT", 2**10)
    for length, generators in ((2**10 - len(STEPS), 1), (2**10, 0)):
        content, packed = saved("PNG"), zlib.compress(b"x" * length + b"\n" + STEPS.encode()[:-1])
        found = read(content[:33] + png_chunk(b"zTXt", b"parameters\0\0" + packed) + content[33:])
        assert len(found.entries) == generators


@pytest.mark.parametrize("count", [pytest.param(16, id="few"), pytest.param(300, id="many", marks=pytest.mark.slow)])
def test_damaged_manifests_and_metadata_end_in_an_answer(count, signed):
    """Beside the fuzz run, whose pictures have no manifest; that none of these ends in a traceback is the assertion."""
    whole = {kind: [signed[kind], saved(kind, xmp=xmp(TYPE), exif=exif(CAMERA, {0x9286: comment(STEPS)}, {2: (1.0, 2.0, 3.0)}))] for kind in FORMATS}
    states = set()
    for number in range(count):
        rng = random.Random(number)
        kind = rng.choice(FORMATS)
        content = rng.choice(whole[kind])
        for _ in range(rng.choice((1, 2))):
            content = rng.choice((*ANY, *OF_FORMAT[kind]))(rng, content) or b"\0"
        try:
            found = read(content)
        except PictureError:
            continue
        assert found.manifest.state in manifest.STATES and json.dumps(found.as_dict())
        states.add(found.manifest.state)
    assert len(states) > 1


def test_mutated_pictures_of_the_fuzz_run_end_in_an_answer():
    for number in range(300):
        case = mutated(11, number)
        try:
            assert json.dumps(read(case.content, name=case.name).as_dict())
        except PictureError as error:
            assert case.name in str(error) and not case.whole


# the score


@pytest.fixture(scope="module")
def detector(repository):
    from imaginet_tools.inference.saved_detector import open_detector

    return open_detector(str(repository / "tests" / "data" / "version_0_1" / "model"))


@pytest.mark.parametrize("kind", FORMATS)
def test_metadata_changes_no_bit_of_a_score(kind, detector, authority):
    options = {"lossless": True} if kind == "WEBP" else {}
    image = picture(3, 96)
    plain = saved(kind, image, **options)
    stated = [xmp(TYPE), xmp(TYPE.replace("trainedAlgorithmicMedia", "digitalCapture"))]
    files = [saved(kind, image, xmp=packet, exif=exif(CAMERA, {0x9286: comment(STEPS)}), **options) for packet in stated]
    files.append(authority.sign(plain, kind))
    if kind == "PNG":
        files.append(saved(kind, image, pnginfo=texts(parameters=STEPS, prompt=COMFY)))
    assert all(read(each).entries for each in files) and not read(plain).entries
    logits = detector.scores([plain, *files]).logit
    assert len(set(logits.tolist())) == 1


def test_no_detector_imports_provenance(repository):
    code = "import sys, imaginet_tools.inference.saved_detector; print([name for name in sys.modules if 'provenance' in name])"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# the command


def test_the_command_tells_of_each_file_and_of_those_that_cannot_be_read(tmp_path, capsys, signed, authority):
    (tmp_path / "a\x1b[31m.png").write_bytes(MARKS["ComfyUI"])
    (tmp_path / "b.jpg").write_bytes(signed["JPEG"])
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    (tmp_path / "d.jpg").write_bytes(saved("JPEG"))
    (tmp_path / "root.pem").write_text(authority.anchors)
    names = [str(tmp_path / name) for name in ("a\x1b[31m.png", "b.jpg", "c.jpg", "d.jpg", "missing.jpg")]
    assert main.main(["provenance", *names, "--trust", str(tmp_path / "root.pem")]) == 1
    shown = capsys.readouterr().out
    assert "ComfyUI" in shown and "trusted; signer: Example Signer" in shown and NOTHING in shown and "\x1b" not in shown
    assert "c.jpg cannot be read as an image" in shown and "missing.jpg does not exist" in shown
    assert main.main(["provenance", *names[:2], names[3], "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["c2pa"]["state"] for line in lines] == ["none", "valid", "none"] and lines[2]["worth"] == NOTHING
    assert lines[0]["entries"][0]["generator"] == "ComfyUI" and lines[1]["c2pa"]["actions"] == ["c2pa.created (Example Model)"]


def test_a_file_of_certificates_that_is_none_is_one_sentence(tmp_path):
    (tmp_path / "x.pem").write_bytes(b"\xff")
    for name, words in ((str(tmp_path / "x.pem"), "no text in PEM"), (str(tmp_path / "y.pem"), "No such file")):
        with pytest.raises(SystemExit, match=words):
            main.main(["provenance", "a.jpg", "--trust", name])
