"""What is written of an input: its row, and how a row is made of a detector's answer."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from imaginet_core.pictures.sources import Limits, PictureError
from imaginet_core.provenance.read_provenance import read_provenance
from imaginet_tools.inference.detector import Answers, rank
from imaginet_tools.inference.preparation import Preparation, Prepared
from imaginet_tools.inference.scoring.fetch import Content, read, sentence_of
from imaginet_tools.inference.scoring.inputs import Input, to_text
from imaginet_tools.inference.scoring.network import ADVICE, NetworkDown, is_down

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("path", pa.string()),
        ("raw_path", pa.string()),
        ("size", pa.int64()),
        ("sha256", pa.string()),
        ("probability", pa.float64()),
        ("outcome", pa.string()),
        ("label", pa.string()),
        ("family", pa.string()),
        ("family_probability", pa.float64()),
        ("generator", pa.string()),
        ("generator_probability", pa.float64()),
        ("notes", pa.list_(pa.string())),
        ("provenance", pa.list_(pa.string())),
        ("error", pa.string()),
    ]
)
"""The columns of every output, see docs/scoring.md."""


class PreparedInput(NamedTuple):
    """An input that was read and prepared, ready for the network.

    Attributes:
        id, path, raw_path: as in the row.
        size, sha256: of the file; None where it could not be had.
        prepared: crops, notes or an error; None for what needs no row.
        provenance: what the file states about its origin, a line for each statement; None where that was not asked.
    """

    id: int
    path: str
    raw_path: str | None
    size: int | None
    sha256: str | None
    prepared: Prepared | None
    provenance: tuple[str, ...] | None = None


class Reader(NamedTuple):
    """Reads inputs and prepares them; small enough to be sent to other processes and machines.

    Attributes:
        preparation: of the detector.
        skip_unreachable: whether an input gets its row also where the network is the reason why it cannot be had.
        provenance: whether it also reads what each file states about its origin.
    """

    preparation: Preparation
    skip_unreachable: bool = False
    provenance: bool = False

    @property
    def limits(self) -> Limits:
        return self.preparation.limits

    def __call__(self, job: tuple[Input, Content] | Input) -> PreparedInput:
        """Of an input that ``fetch.reads_alone``, or one with its content.

        Raises:
            NetworkDown: where the network is the reason why it cannot be had, unless such inputs are skipped.
        """
        each, content = job if not isinstance(job, Input) else (job, read(job, self.limits))
        text, raw = to_text(each.path)
        if isinstance(content, Exception):
            return self.refuse(each, sentence_of(content, text))
        if content is None:
            return PreparedInput(each.id, text, raw, None, None, None)
        prepared = self.preparation.prepare(content, name=text)
        stated = _stated(content, self.limits) if self.provenance else None
        return PreparedInput(each.id, text, raw, len(content), hashlib.sha256(content).hexdigest(), prepared, stated)

    def refuse(self, each: Input, sentence: str) -> PreparedInput:
        """An input that cannot be had, with the reason. Raises as calling it does."""
        text, raw = to_text(each.path)
        if not self.skip_unreachable and is_down(sentence, each.container or each.member or each.path):
            raise NetworkDown(f"{sentence.rstrip('.')}; {ADVICE}.")
        return PreparedInput(each.id, text, raw, None, None, Prepared(None, (), sentence))


def rows_of(
    inputs: Sequence[PreparedInput], answers: Answers, labels: Sequence[str], families: Sequence[str], generators: Sequence[str]
) -> list[dict]:
    """A row each, in the order of the inputs; ``labels``: str (N,), the class that each probability means at the threshold."""
    rows = []
    for number, each in enumerate(inputs):
        row = {**each._asdict(), "error": each.prepared.error, "notes": [_text(note) for note in each.prepared.notes]}
        del row["prepared"]
        if each.prepared.error is None:
            row |= {
                "probability": float(answers.probability[number]),
                "outcome": str(answers.outcome[number]),
                "label": labels[number],
            }
            row |= _likeliest("family", families, answers.family, number) | _likeliest(
                "generator", generators, answers.generator, number
            )
        rows.append(row)
    return rows


def table_of(rows: Iterable[dict]) -> pa.Table:
    """Rows as a table; what a row does not tell is null."""
    return pa.Table.from_pylist(list(rows), SCHEMA)


def _stated(content: bytes, limits: Limits) -> tuple[str, ...]:
    """A line for each statement of a file about its origin; none for what is no picture."""
    try:
        return tuple(f"{entry.kind}, {entry.where}: {entry.states}" for entry in read_provenance(content, limits=limits).entries)
    except PictureError:  # the row has the reason
        return ()


def _likeliest(kind: str, names: Sequence[str], logits, number: int) -> dict:
    ranked = rank(names, None if logits is None else logits[number])
    return {kind: ranked[0][0], f"{kind}_probability": ranked[0][1]} if ranked else {}


def _text(note) -> str:
    return f"{note.name}: {note.detail}"
