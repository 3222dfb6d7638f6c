"""The page itself, of Gradio's parts: what is on it, and what happens when something is done there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from imaginet_tools.inference.app.examples import Example
from imaginet_tools.inference.app.html import (
    about_html,
    answer_html,
    curves_html,
    example_html,
    heat_map_html,
    limits_html,
    sentence_html,
)
from imaginet_tools.inference.app.judge import COUNT, Judge, Judged
from imaginet_tools.inference.app.outcomes import Outcome, choices_of, label_in_list, outcome_of
from imaginet_tools.inference.app.sessions import GONE, Sessions
from imaginet_tools.inference.app.uploads import MOST_FILES, take_uploads
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.score_report.facts import public_name

FOLDER = Path(__file__).parent
UNUSED_SECONDS = 300
"""After which an upload that no one asked to score is deleted."""
FONTS = ["system-ui", "sans-serif"]
"""Those of the visitor's own system: others would be asked of another host."""


@dataclass(frozen=True)
class PageOptions:
    """What is on the page, and what it allows.

    Attributes:
        limits: sentences of the model's card.
        examples: pictures to try.
        queue: requests that may wait; others are turned away with a sentence.
        show_maps: show the heat map of each chosen picture, not only when it is asked for.
    """

    limits: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    queue: int = 32
    show_maps: bool = False


def make_page(
    detector: SavedDetector, options: PageOptions = PageOptions(), on_device: Callable[[Callable], Callable] = lambda function: function
) -> gr.Blocks:
    """The page of a detector, whose ``limits`` hold for bytes and pixels; :func:`launch_page` serves it.

    ``on_device``: as of ``Judge``.
    """
    page = _Page(Judge(detector, on_device), options)
    with gr.Blocks(title="Real or synthetic?", analytics_enabled=False, delete_cache=(UNUSED_SECONDS // 5, UNUSED_SECONDS)) as blocks:
        page.lay_out()
        page.connect(blocks)
    return blocks.queue(max_size=options.queue, default_concurrency_limit=1)


def launch_page(blocks: gr.Blocks, max_bytes: int, host: str | None = None, port: int | None = None, wait: bool = True):
    """Serves a page without asking any other host for anything.

    Args:
        max_bytes: of an uploaded file.
        host, port: None for what Gradio's environment variables say.
        wait: until it is stopped; else it is served by a thread.
    """
    return blocks.launch(
        server_name=host, server_port=port, max_file_size=max_bytes, theme=gr.themes.Base(font=FONTS, font_mono=["monospace"]),
        css=(FOLDER / "page.css").read_text(encoding="utf-8"), head=f"<script>{(FOLDER / 'page.js').read_text(encoding='utf-8')}</script>",
        ssr_mode=False, share=False, run_history=False, footer_links=[], pwa=False, mcp_server=False, enable_monitoring=False, quiet=True,
        prevent_thread_lock=not wait, show_error=False,
    )


class _Page:
    """The parts of a page and their handlers, of all sessions."""

    def __init__(self, judge: Judge, options: PageOptions):
        self.judge, self.options, self.sessions = judge, options, Sessions()
        self.choices = choices_of(judge.settings.operating_points, judge.detector.operating_point)

    def lay_out(self) -> None:
        detector = self.judge.detector
        gr.HTML(about_html(detector.limits.bytes, detector.limits.pixels))
        self.files = gr.File(label=f"Pictures, at most {MOST_FILES} at a time", file_count="multiple", elem_id="pictures", height=150)
        self.point = gr.Radio(
            self.choices.offered, value=self.choices.offered[0][1], label="Operating point: how many false alarms you can bear",
            elem_id="operating-point",
        )
        self.tries = self._lay_out_examples()
        self.chooser = gr.Radio([], label="Pictures that you uploaded", visible=False, elem_id="chooser", type="index")
        self.answer = gr.HTML("", elem_id="answer")
        with gr.Row():
            self.ask_map = gr.Button("Show a heat map", visible=False, elem_id="ask-heat-map")
            self.ask_curves = gr.Button("Show what the score does when the picture is recompressed or shrunk", visible=False, elem_id="ask-curves")
        self.heat_map, self.curves = gr.HTML("", elem_id="heat-map"), gr.HTML("", elem_id="curves")
        name = f"{public_name(detector.name)}, fingerprint {self.judge.settings.fingerprint}"
        gr.HTML(limits_html(name, self.options.limits, self.choices))

    def _lay_out_examples(self) -> list[gr.Button]:
        if not self.options.examples:
            return []
        gr.HTML("<h2 class='im-title'>Or try one of these</h2>")
        buttons = []
        with gr.Row(elem_id="examples"):
            for example in self.options.examples:
                with gr.Column(min_width=110):
                    gr.HTML(example_html(example.content, example.title))
                    buttons.append(gr.Button(f"Score: {example.title}", size="sm"))
        return buttons

    def connect(self, blocks: gr.Blocks) -> None:
        view = [self.chooser, self.answer, self.ask_map, self.ask_curves, self.heat_map, self.curves]
        chosen = [self.chooser, self.point]
        hidden = dict(api_visibility="private", concurrency_id="network")
        # paths as they were uploaded: the component's own step leaves an empty file behind for each
        events = [
            self.files.upload(self.upload, [self.files, self.point], [self.files, *view], preprocess=False, **hidden),
            *(button.click(self._try(number), [self.point], view, **hidden) for number, button in enumerate(self.tries)),
            self.chooser.input(self.choose, chosen, view, **hidden), self.point.input(self.choose, chosen, view, **hidden),
        ]
        for event in events if self.options.show_maps else []:
            event.then(self.show_heat_map_by_itself, chosen, [self.heat_map], **hidden)
        self.ask_map.click(self.show_heat_map, chosen, [self.heat_map], **hidden)
        self.ask_curves.click(self.show_curves, chosen, [self.curves], **hidden)
        blocks.unload(self.forget)

    def upload(self, files: list[dict] | None, point: str, request: gr.Request, progress=gr.Progress()) -> tuple:
        """Scores what was uploaded, and deletes it. Refused files are rows like others."""
        taken = take_uploads(files or [], self.files.GRADIO_CACHE, self.judge.detector.limits.bytes)
        judged = []
        for number, each in enumerate(taken):
            progress((number, len(taken)), unit="pictures")
            judged += [each] if isinstance(each, Judged) else self.judge.judge([each])
        self.sessions.put(request.session_hash, judged)
        return None, *self._view(judged, 0, point)

    def _try(self, number: int) -> Callable:
        def score_example(point: str, request: gr.Request) -> tuple:
            example = self.options.examples[number]
            judged = self.judge.judge([(example.file_name, example.content)])
            self.sessions.put(request.session_hash, judged)
            return self._view(judged, 0, point)

        return score_example

    def choose(self, number: int | None, point: str, request: gr.Request) -> tuple:
        """Another picture, or another operating point."""
        return self._view(self.sessions.get(request.session_hash), number or 0, point)

    def show_heat_map(self, number: int | None, point: str, request: gr.Request) -> str:
        for judged in self._scored(request, number):
            try:
                return heat_map_html(judged, self.judge.heat_map(judged, self._outcome(judged, point).threshold))
            except ValueError as error:  # of an exported model, or one whose code gives no maps
                return sentence_html(str(error))
        return sentence_html(GONE)

    def show_heat_map_by_itself(self, number: int | None, point: str, request: gr.Request):
        """After the answer, so that it need not wait; nothing for a picture that was refused."""
        return self.show_heat_map(number, point, request) if self._scored(request, number) else gr.skip()

    def show_curves(self, number: int | None, point: str, request: gr.Request, progress=gr.Progress()) -> str:
        for judged in self._scored(request, number):
            points = []
            for each in self.judge.degraded(judged):
                points.append(each)
                progress((len(points), COUNT), unit="degradations")
            return curves_html(judged, points, self._outcome(judged, point).threshold)
        return sentence_html(GONE)

    def forget(self, request: gr.Request) -> None:
        self.sessions.forget(request.session_hash)

    def _scored(self, request: gr.Request, number: int | None) -> tuple[Judged, ...]:
        return tuple(each for each in self.sessions.get(request.session_hash, number or 0) if not each.error)

    def _outcome(self, judged: Judged, point: str) -> Outcome | None:
        return None if judged.error else outcome_of(self.judge.settings, judged.answer["probability"], judged.notes, point)

    def _view(self, pictures, number: int, point: str) -> tuple:
        """What each of the six parts shows."""
        if number >= len(pictures):
            return gr.update(choices=[], visible=False), sentence_html(GONE), *[gr.update(visible=False)] * 2, "", ""
        outcomes = [self._outcome(each, point) for each in pictures]
        labels = [
            f"{place}. {label_in_list(each.name, each.answer and each.answer['probability'], outcome)}"
            for place, (each, outcome) in enumerate(zip(pictures, outcomes, strict=True), 1)
        ]
        chooser = gr.update(choices=labels, value=labels[number], visible=len(pictures) > 1)
        scored, why = not pictures[number].error, self.judge.why_no_heat_maps()
        return (
            chooser, answer_html(pictures[number], outcomes[number]),
            gr.update(visible=scored and not why and not self.options.show_maps), gr.update(visible=scored),
            sentence_html(why) if scored and why else "", "",
        )
