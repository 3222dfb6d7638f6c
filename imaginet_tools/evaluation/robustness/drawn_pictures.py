"""Pictures that no camera took and no generator made, drawn here: pages of text, screenshots, flat graphics.

Users feed them to detectors all the same. Each is drawn from its number alone, uint8 RGB (H, W, 3).
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imaginet_core.pictures.degradations import rng_for

WORDS = (
    "the report of a committee on public works and water supply in the year that the bridge over river was finished costs were higher "
    "than first thought because stone had to come from far away members voted in favour of new plan with two against it"
).split()


def draw_document(rng: np.random.Generator) -> Image.Image:
    """A page of text, some with a slight tilt and paper's colour, as a scanner gives it."""
    width, height = int(rng.integers(500, 800)), int(rng.integers(600, 1000))
    paper = tuple(int(value) for value in rng.integers(235, 256, 3))
    page = Image.new("RGB", (width, height), paper)
    draw, size = ImageDraw.Draw(page), int(rng.integers(11, 20))
    font, y = ImageFont.load_default(size), 40
    draw.text((50, y), _sentence(rng, 5).title(), fill="black", font=ImageFont.load_default(size + 8))
    y += 2 * size + 20
    while y < height - 50:
        draw.text((50, y), _sentence(rng, 20)[: 2 * (width - 100) // size], fill=(20, 20, 20), font=font)
        y += round(1.5 * size) if rng.random() < 0.9 else 3 * size
    return page.rotate(float(rng.uniform(-1.5, 1.5)), Image.Resampling.BICUBIC, fillcolor=paper) if rng.random() < 0.5 else page


def draw_screenshot(rng: np.random.Generator) -> Image.Image:
    """A window of a program: bars, a list, buttons, a field with text."""
    width, height = int(rng.integers(600, 1000)), int(rng.integers(400, 700))
    dark = rng.random() < 0.4
    back, front = ((32, 34, 40), (225, 225, 225)) if dark else ((246, 246, 248), (30, 30, 30))
    accent = tuple(int(value) for value in rng.integers(40, 200, 3))
    screen = Image.new("RGB", (width, height), back)
    draw, font = ImageDraw.Draw(screen), ImageFont.load_default(14)
    draw.rectangle((0, 0, width, 32), fill=accent)
    draw.text((12, 8), _sentence(rng, 3), fill="white", font=font)
    side = int(rng.integers(120, 220))
    draw.line((side, 32, side, height), fill=front)
    for y in range(48, height - 20, 28):
        draw.text((12, y), _sentence(rng, 2)[: side // 9], fill=front, font=font)
        draw.rectangle((side + 16, y, side + 16 + int(rng.integers(100, width - side - 40)), y + 16), outline=accent)
        draw.text((side + 20, y + 1), _sentence(rng, int(rng.integers(2, 6))), fill=front, font=font)
    draw.rounded_rectangle((width - 120, height - 48, width - 16, height - 16), 6, fill=accent)
    draw.text((width - 100, height - 40), "Continue", fill="white", font=font)
    return screen


def draw_graphic(rng: np.random.Generator) -> Image.Image:
    """Flat shapes, or a bar chart with a title."""
    width, height = int(rng.integers(300, 700)), int(rng.integers(300, 700))
    colour = lambda: tuple(int(value) for value in rng.integers(0, 256, 3))
    sheet = Image.new("RGB", (width, height), colour() if rng.random() < 0.5 else "white")
    draw = ImageDraw.Draw(sheet)
    if rng.random() < 0.5:
        draw.text((20, 10), _sentence(rng, 3).title(), fill="black", font=ImageFont.load_default(18))
        bars = int(rng.integers(4, 10))
        for number in range(bars):
            left, top = 30 + number * (width - 60) / bars, height - 40 - float(rng.uniform(0.1, 1)) * (height - 100)
            draw.rectangle((left, top, left + 0.7 * (width - 60) / bars, height - 40), fill=colour())
        draw.line((25, height - 40, width - 25, height - 40), fill="black", width=2)
        return sheet
    for _ in range(int(rng.integers(3, 9))):
        corners = np.sort(rng.integers(0, [width, height], (2, 2)), axis=0).ravel().tolist()
        shape = str(rng.choice(["ellipse", "rectangle", "rounded_rectangle"]))
        getattr(draw, shape)(corners, **({"radius": 12} if shape == "rounded_rectangle" else {}), fill=colour())
    return sheet


DRAWN: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "rendered documents": draw_document, "screenshots": draw_screenshot, "flat graphics": draw_graphic,
}
"""Kind -> what draws one."""


def drawn_picture(kind: str, number: int) -> np.ndarray:
    """Picture ``number`` of a kind in DRAWN: uint8 RGB (H, W, 3), the same on every machine with the same Pillow."""
    return np.asarray(DRAWN[kind](rng_for(f"{kind} {number}", "out of scope")))


def _sentence(rng: np.random.Generator, count: int) -> str:
    return " ".join(str(word) for word in rng.choice(WORDS, count))
