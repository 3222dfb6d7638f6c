"""The card of an exported data set: text from dataset_card/, every figure from the data or the registry."""

import os
import shutil
from collections import Counter
from string import Template

import datasets
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCardData

import imaginet
from imaginet_core.safe_text import mask_secrets
from imaginet_tools.publish import audit_section
from imaginet_tools.publish.benchmark_tasks import TASKS_FILE, tasks_file
from imaginet_tools.publish.summary import Description, format_rule

TITLES = {
    "official": "ImagiNet",
    "testset": "ImagiNet, perturbed test set",
    "sample": "Embedded sample of imaginet.py (not ImagiNet)",
}
PREVIEW, LICENSES, MANIFEST = "preview.png", "LICENSES.md", "manifest.parquet"
MOST_FOLDERS = 40
"""Own lists may have thousands of folders; so many rows are shown of a table of sources."""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (float("inf"), "1M<n<10M"))


def template_folder() -> str:
    """The folder of the card's texts: beside imaginet.py in a clone, a package once installed. Raises FileNotFoundError."""
    here = os.path.dirname(os.path.abspath(imaginet.__file__))
    places = [f"{here}/{name}" for name in ("dataset_card", "imaginet_dataset_card")]
    for place in places:
        if os.path.isfile(f"{place}/template.md"):
            return place
    raise FileNotFoundError(
        f"The card's texts lie in none of {', '.join(places)}; put the clone's folder dataset_card/ beside imaginet.py."
    )


def title(description: Description) -> str:
    """The data set's name for people."""
    return TITLES.get(description.kind, description.name)


def write_card(description: Description, folder: str) -> None:
    """Writes README.md, LICENSES.md and eval.yaml, the tasks of a benchmark, of an export into ``folder``."""
    texts = template_folder()
    datasheet = {"official": "official", "testset": "official", "sample": "sample"}.get(description.kind, "lists")
    with (
        open(f"{texts}/template.md", encoding="utf-8") as template,
        open(f"{texts}/datasheet_{datasheet}.md", encoding="utf-8") as sheet,
    ):
        filled = Template(template.read()).substitute(
            metadata=metadata(description),
            title=title(description),
            notice=notice(description),
            preview=PREVIEW,
            preview_text="Images of this data set by content type: real ones on the left, synthetic ones on the right",
            load=_load_lines(description),
            first_config=description.first_config,
            completing=completing(description),
            **{
                f"{column}s" if column != "family" else "families": _names(description, column)
                for column in ("label", "content", "generator", "family")
            },
            counts=counts(description),
            sources=sources(description),
            left_out=left_out(description),
            datasheet=sheet.read().strip(),
            bias=bias(description),
            shortcuts=shortcuts(description),
            citation=citation(description),
        )
    with open(f"{folder}/README.md", "w", encoding="utf-8") as file:
        file.write(mask_secrets(filled))
    with open(f"{folder}/{TASKS_FILE}", "w", encoding="utf-8") as file:
        file.write(tasks_file(title(description), description.first_config))
    if description.kind == "sample":
        shutil.copyfile(f"{imaginet.sample_folder()}/{LICENSES}", f"{folder}/{LICENSES}")
    else:
        with open(f"{folder}/{LICENSES}", "w", encoding="utf-8") as file:
            file.write(f"# Sources of {title(description)} and their terms\n\n{mask_secrets(sources(description))}\n")


def metadata(description: Description) -> str:
    """The card's YAML block, without its fences."""
    stored = description.total(stored=True)
    upstream = {source.name for source in description.sources if source.home == imaginet.UPSTREAM_IMAGES}
    taken = description.values("source") if description.sources else []
    data = DatasetCardData(
        pretty_name=title(description),
        license="other",
        license_name=f"{description.kind}-sources",
        license_link=LICENSES,
        task_categories=["image-classification"],
        task_ids=["multi-class-image-classification"],
        size_categories=[next(name for limit, name in SIZES if stored < limit)],
        source_datasets=sorted({"original" if name in upstream else f"extended|other-{name}" for name in taken}) or ["original"],
        tags=["synthetic-image-detection", "image-forensics", "croissant"],
    )
    configs, infos = MetadataConfigs(), DatasetInfosDict()
    for name, splits in description.configs().items():
        configs[name] = {
            "data_files": [
                {"split": split, "path": [f"{part.folder}/{split}-*.parquet" for part in parts]}
                for split, parts in splits.items()
            ]
        }
        if name == description.first_config:
            configs[name]["default"] = True
        every = [part for parts in splits.values() for part in parts]
        infos[name] = datasets.DatasetInfo(
            features=description.features,
            splits=datasets.SplitDict.from_split_dict(
                [
                    {
                        "name": split,
                        "num_bytes": sum(part.num_bytes for part in parts),
                        "num_examples": sum(part.rows for part in parts),
                    }
                    for split, parts in splits.items()
                ]
            ),
            download_size=sum(part.file_bytes for part in every),
            dataset_size=sum(part.num_bytes for part in every),
        )
    configs.to_dataset_card_data(data)
    infos.to_dataset_card_data(data)
    return data.to_yaml().strip()


def notice(description: Description) -> str:
    """What a reader must know before anything else."""
    stored, others = description.total(stored=True), description.total(stored=False)
    closed = [
        source.name
        for source in description.sources
        if not source.redistributable and description.total(source=source.name, stored=True)
    ]
    if description.kind == "sample":
        paragraphs = [f"**{imaginet.SAMPLE_LIMITS}**"]
    elif description.kind in ("official", "testset"):
        what = (
            "images of ImagiNet, a benchmark of real and generated pictures"
            if description.kind == "official"
            else "perturbed test images of ImagiNet"
        )
        paragraphs = [f"{stored:,} {what}, built by the holder of this copy from the files of the sources' publishers."]
    else:
        paragraphs = [f"{stored:,} images of the exporter's own lists, labelled by them."]
    if others:
        paragraphs.append(
            f"**This is a part: the {stored:,} images whose terms allow passing them on.** The other {others:,} are "
            f"named in `{MANIFEST}` by path, source, size and SHA-256, without labels; complete them with your own "
            "copies as shown below."
        )
    elif closed:
        paragraphs.append(f"**Keep this copy private: the terms of {', '.join(closed)} do not allow passing the images on.**")
    elif not description.sources and description.kind != "sample":
        paragraphs.append("**Keep this copy private unless you know the terms of its images: none are stated here.**")
    if description.left_out:
        paragraphs.append(
            f"**Incomplete:** {len(description.left_out):,} listed images are not in it, see [Left out](#left-out)."
        )
    return "\n\n".join(paragraphs)


def _load_lines(description: Description) -> str:
    configs = list(description.configs())
    folder = f'load_dataset("{description.name}")            # from the folder that {description.name}/ lies in'
    hub = [f'load_dataset("{description.repo_id}")         # from the Hub'] if description.repo_id else []
    chosen = [f'load_dataset("{description.repo_id or description.name}", "{name}")' for name in configs]
    return "\n".join([folder, *hub, *chosen])


def _names(description: Description, column: str) -> str:
    return ", ".join(f"`{name}`" for name in description.features[column].names)


def completing(description: Description) -> str:
    """How a receiver adds the images that may not be passed on; empty where there are none."""
    if not description.total(stored=False):
        return ""
    at = description.repo_id or f"FOLDER/{description.name}"
    homes = sorted({source.home for source in description.sources if description.total(source=source.name, stored=False)})
    return f"""### Complete it with your own copies

Fetch the other images from their publishers ({", ".join(homes)}), in the layout of the table of sources, and install `imaginet`:

```python
import imaginet
from datasets import load_dataset

load_dataset("imaginet", data_dir="OWN", manifest="{at}")
```

Images that may be passed on are taken from here, all others from `OWN`, in folders or in their publishers' archives. Their
SHA-256 are compared with `{MANIFEST}`, and everything missing or different is told before anything is built. Labels come
from ImagiNet's own lists, not from here.
"""


def _table(head: list, rows: list[list]) -> str:
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def _number(n: int) -> str:
    return f"{n:,}" if n else "–"


def counts(description: Description) -> str:
    """Tables of images by content and label, and by generator, for each split."""
    splits, labels = description.values("split"), description.values("label")
    head = ["content", *(f"{split}, {label}" for split in splits for label in labels), "all"]
    rows = [
        [
            f"`{content}`",
            *(_number(description.total(content=content, split=split, label=label)) for split in splits for label in labels),
            _number(description.total(content=content)),
        ]
        for content in description.values("content")
    ]
    sums = [
        "all",
        *(_number(description.total(split=split, label=label)) for split in splits for label in labels),
        _number(description.total()),
    ]
    generators = [
        [
            f"`{generator}`",
            *(_number(description.total(generator=generator, split=split)) for split in splits),
            ", ".join(
                f"`{content}`"
                for content in description.values("content")
                if description.total(generator=generator, content=content)
            ),
        ]
        for generator in description.values("generator")
    ]
    stored = description.total(stored=True)
    where = (
        f"Counted over all {description.total():,} images, {stored:,} of them stored here.\n\n"
        if stored < description.total()
        else ""
    )
    return f"{where}{_table(head, [*rows, sums])}\n\n{_table(['generator', *splits, 'content'], generators)}"


def sources(description: Description) -> str:
    """The registry's entries of the sources in the data (the folders of own lists), with counts, sizes and terms."""
    splits, names = description.values("split"), description.values("source")
    known = {source.name: source for source in description.sources}
    shown, rows = names[:MOST_FOLDERS], []
    for name in shown:
        source = known.get(name)
        megabytes = sum(n for (of, _), n in description.source_bytes.items() if of == name) / 1e6
        row = [f"`{name}`", *(_number(description.total(source=name, split=split)) for split in splits), f"{megabytes:,.1f}"]
        if source:
            folders = ", ".join(f"`{folder}/`" for folder in source.folders)
            row += [source.what, source.home, folders, source.licence, "yes" if source.redistributable else "no"]
        elif description.kind == "sample":
            row += [f"by picture, see [{LICENSES}]({LICENSES})"]
        else:
            row += [", ".join(sorted({facts.license for facts in description.images if facts.source == name}))]
        rows.append([*row, "images" if description.total(source=name, stored=True) else "hashes in the manifest"])
    head = ["source", *splits, "MB"]
    head += ["what", "from", "folder", "terms", "may be passed on", "here as"] if known else ["terms", "here as"]
    text = _table(head, rows)
    if len(names) > len(shown):
        text += f"\n\nand {len(names) - len(shown):,} more folders."
    if known:
        text += "\n\nTerms as the registry of sources knows them; check at the source."
    return text


def left_out(description: Description) -> str:
    """Which listed images the export lacks, by source and reason, with examples; all are named in left_out.jsonl."""
    if not description.left_out:
        return "Nothing: every image of the lists is here" + (" or in the manifest." if description.total(stored=False) else ".")
    groups = {}
    for each in description.left_out:
        groups.setdefault((each.source, each.reason), []).append(each.path)
    rows = [
        [f"`{source}`", reason, f"{len(paths):,}", ", ".join(f"`{path}`" for path in paths[:3])]
        for (source, reason), paths in groups.items()
    ]
    return f"{_table(['source', 'why', 'images', 'for example'], rows)}\n\nAll are named in `{imaginet.LEFT_OUT}`."


def bias(description: Description) -> str:
    """What tells the label without a look at a pixel, measured: the file format, and how sizes differ."""
    splits, rows, sentences = description.values("split"), [], []
    for split in splits:
        for content in [*description.values("content"), "all"]:
            chosen = Counter(
                {
                    facts: n
                    for facts, n in description.images.items()
                    if facts.split == split and content in (facts.content, "all")
                }
            )
            if chosen:
                rule = format_rule(chosen)
                accuracy = f"{rule.balanced_accuracy:.4f}" if rule else "–"
                sides = [_median_side(description, split, content, label) for label in imaginet.LABELS]
                rows.append(
                    [split, content, *(_formats(chosen, label) for label in imaginet.LABELS), accuracy, " / ".join(sides)]
                )
                if rule and content == "all":
                    sentences.append(_format_sentence(split, rule))
    if not sentences:
        sentences.append("Real and synthetic images do not both occur here, so nothing can be said about shortcuts between them.")
    sentences.append(
        "A detector can learn such a shortcut in place of traces of generation. Before training, give both classes one container "
        "and one history of compression, and do not resample one class only; test also after compression. See Grommelt et al., "
        "*Fake or JPEG?* (arXiv 2403.17608)."
    )
    head = [
        "split",
        "content",
        "real",
        "synthetic",
        "balanced accuracy of the format alone",
        "shorter side in pixels, median, real / synthetic",
    ]
    return f"{' '.join(sentences)}\n\n{_table(head, rows)}"


def shortcuts(description: Description) -> str:
    """The section of the audit; empty without one."""
    return f"{audit_section.section(description.audit)}\n\n" if description.audit else ""


def _format_sentence(split: str, rule) -> str:
    accuracy = f"{rule.balanced_accuracy:.4f}"
    if not rule.synthetic or not rule.real:
        return f"On the {split} split the file format says nothing about the label: balanced accuracy {accuracy}."
    real, synthetic = (" or ".join(names) for names in (rule.real, rule.synthetic))
    return (
        f"On the {split} split the file format alone gives the label away: “{real} means real, {synthetic} means synthetic” has "
        f"a balanced accuracy of {accuracy} without a look at a pixel."
    )


def _formats(images: Counter, label: str) -> str:
    found = Counter()
    for facts, n in images.items():
        if facts.label == label:
            found[facts.format] += n
    return ", ".join(f"{name} {n:,}" for name, n in sorted(found.items())) or "–"


def _median_side(description: Description, split: str, content: str, label: str) -> str:
    sides = Counter()
    for (of_split, of_content, of_label, width, height), n in description.sizes.items():
        if of_split == split and content in (of_content, "all") and of_label == label:
            sides[min(width, height)] += n
    middle, seen = (sides.total() + 1) // 2, 0
    for side in sorted(sides):
        seen += sides[side]
        if seen >= middle:
            return str(side)
    return "–"


def citation(description: Description) -> str:
    """BibTeX of ImagiNet, where the data is ImagiNet's."""
    if description.kind in ("official", "testset"):
        return imaginet.CITATION
    return "% no paper describes these images; name their sources, as listed above"
