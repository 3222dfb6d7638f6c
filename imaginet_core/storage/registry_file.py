"""Sources of one's own beside ImagiNet's, or in their place: a YAML file for ``load_dataset("imaginet", registry=FILE, data_dir=RAW)``.

    extends: official            # or: nothing
    generators: [FLUX.1]         # names added; likewise families and contents
    families: [Flux]
    sources:
      flux_photos:
        folders: [flux_photos]   # under the root; * stands for one folder
        what: FLUX.1 photos of our lab
        home: https://example.org/flux
        licence: CC0
        redistributable: true
        label: synthetic         # of the images found by the patterns below
        content: photos
        family: Flux
        generator: FLUX.1
        train: ["flux_photos/train/*.png"]
        test: ["flux_photos/test/*.png"]
      gpt_image:
        folders: [gpt_image]
        what: GPT-Image
        home: https://example.org/gpt
        licence: not stated
        archives: ["gpt_image*.zip"]
        lists: {test: gpt_image_test.txt}   # beside this file, in the form of upstream's lists

In lists the official numbers keep their meaning; added names follow them in the order given here. With ``extends: nothing`` they count from 0,
and the names of real images ("real") are added at the end if they are not among them. Patterns find files in folders only; images inside
archives need a list.
"""

import glob
import os

import imaginet
from imaginet import LabelNames, Record, Source

_SOURCE_KEYS = {"folders", "what", "home", "licence", "redistributable", "archives", "depth"}
_LABEL_KEYS = {"label", "content", "family", "generator"}
_SPLITS = tuple(imaginet.LIST_NAMES)


def read_registry(file: str, root: str) -> tuple[LabelNames, dict, bool]:
    """Reads a registry.

    Args:
        file: the YAML file.
        root: absolute folder of the images, where patterns are searched.

    Returns:
        label names with all sources; split -> records of the registry's own sources; whether it stands alone (``extends: nothing``).

    Raises:
        ValueError: naming the file, the source and what is wrong.
    """
    values = imaginet.read_yaml(file)
    if not isinstance(values, dict) or not isinstance(values.get("sources"), dict) or not values["sources"]:
        raise ValueError(f"The registry {file} must be a mapping with an entry 'sources' that names at least one.")
    if values.get("extends") not in ("official", "nothing"):
        raise ValueError(f"The registry {file} must say 'extends: official' or 'extends: nothing', got {values.get('extends')!r}.")
    alone = values["extends"] == "nothing"
    sources = {} if alone else dict(imaginet.SOURCES)
    for name, entry in values["sources"].items():
        sources[str(name)] = _source(str(name), entry, f"The registry {file}, source {name}")
    names = LabelNames(
        **{key: _names(values.get(key) or [], getattr(imaginet.OFFICIAL, key), alone, key) for key in ("contents", "families", "generators")},
        sources=tuple(sources.values()),
    )
    splits = {split: [] for split in _SPLITS}
    for name, entry in values["sources"].items():
        where = f"The registry {file}, source {name}"
        for split in _SPLITS:
            splits[split] += _listed(entry, split, names, file, where) + _found(str(name), entry, split, names, root, where)
    return names, {split: _once(records, file) for split, records in splits.items() if records}, alone


def _source(name: str, entry, where: str) -> Source:
    if not isinstance(entry, dict):
        raise ValueError(f"{where} must be a mapping with folders, what, home and licence.")
    unknown = set(entry) - _SOURCE_KEYS - _LABEL_KEYS - {*_SPLITS, "lists"}
    absent = {"folders", "what", "home", "licence"} - set(entry)
    if unknown or absent:
        raise ValueError(f"{where} lacks {sorted(absent) or 'nothing'} and has the unknown entries {sorted(unknown) or 'none'}.")
    given = {key: entry[key] for key in _SOURCE_KEYS & set(entry)}
    for key in ("folders", "archives"):
        if key in given:
            given[key] = tuple(str(pattern).strip("/") for pattern in ([given[key]] if isinstance(given[key], str) else given[key]))
    return Source(name=name, **given)


def _names(added: list, official: dict, alone: bool, key: str) -> dict:
    """number -> name: the official ones with theirs, then the added ones; "real" last where it stands alone."""
    names = [] if alone else list(official.values())
    names += [str(name) for name in added if str(name) not in names]
    if key == "contents":
        return dict(enumerate(names or official.values()))
    return dict(enumerate(names if "real" in names else [*names, "real"]))


def _listed(entry: dict, split: str, names: LabelNames, file: str, where: str) -> list[Record]:
    lists = entry.get("lists") or {}
    if split not in lists:
        return []
    listed = os.path.join(os.path.dirname(os.path.abspath(file)), lists[split])
    if not os.path.isfile(listed):
        raise ValueError(f"{where}: its {split} list {listed} does not exist.")
    return imaginet.read_list(listed, names)


def _found(name: str, entry: dict, split: str, names: LabelNames, root: str, where: str) -> list[Record]:
    patterns = entry.get(split) or []
    if not patterns:
        return []
    label = str(entry.get("label", "synthetic"))
    family, generator = ("real", "real") if label == "real" else (entry.get("family"), entry.get("generator"))
    labels = {"content": entry.get("content"), "family": family, "generator": generator}
    tables = {"content": names.contents, "family": names.families, "generator": names.generators}
    for key, value in labels.items():
        if value not in tables[key].values():
            raise ValueError(f"{where}: its {key} {value!r} is none of {', '.join(tables[key].values())}; add it at the top or correct it.")
    if label not in imaginet.LABELS or (label == "synthetic") != (generator != "real"):
        raise ValueError(f"{where}: its label is {label!r} and its generator {generator!r}; say real, or synthetic with a generator.")
    records = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        files = sorted(found for found in glob.glob(f"{glob.escape(root)}/{pattern}", recursive=True) if os.path.isfile(found))
        if not files:
            raise ValueError(f"{where}: no file under {root} fits its {split} pattern {pattern!r}.")
        for found in files:
            path = os.path.relpath(found, root).replace(os.sep, "/")
            if imaginet.source_of(path, names.sources) != name:
                raise ValueError(f"{where}: {path} fits its {split} pattern {pattern!r} but lies in none of its folders.")
            records.append(Record(path, label, labels["content"], labels["family"], labels["generator"], name, path))
    return records


def _once(records: list[Record], file: str) -> list[Record]:
    seen = set()
    for record in records:
        if record.path in seen:
            raise ValueError(f"The registry {file} names {record.path} twice; let one pattern or list find it.")
        seen.add(record.path)
    return records
