"""The Croissant description (http://mlcommons.org/croissant/1.0) of an exported data set: which files, which columns."""

import json

import datasets

import imaginet
from imaginet_core.storage.parquet_shards import CROISSANT
from imaginet_tools.publish.dataset_card import LICENSES, notice, title
from imaginet_tools.publish.summary import Description, Part

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the format's specification prescribes."""


def write_croissant(description: Description, folder: str) -> None:
    """Writes croissant.json into the exported ``folder``."""
    with open(f"{folder}/{CROISSANT}", "w", encoding="utf-8") as file:
        json.dump(document(description), file, indent=1, ensure_ascii=False)
        file.write("\n")


def document(description: Description) -> dict:
    """The description as JSON-LD: shards, a set of them per content type and split, and records per configuration and split."""
    url = (
        f"https://huggingface.co/datasets/{description.repo_id}"
        if description.repo_id
        else "https://github.com/delyan-boychev/imaginet"
    )
    shards = [_shard(file, digest) for part in description.parts for file, digest in part.files.items()]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": description.name,
        "description": f"{title(description)}. {notice(description)}",
        "url": url,
        "version": str(imaginet.VERSION),
        "license": LICENSES,
        **({"citeAs": imaginet.CITATION} if description.kind in ("official", "testset") else {}),
        "distribution": shards + [_file_set(part) for part in description.parts],
        "recordSet": [_records(description, part) for part in description.parts],
    }


def _shard(file: str, digest: str) -> dict:
    return {
        "@type": "cr:FileObject",
        "@id": file,
        "name": file,
        "contentUrl": file,
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _set_id(part: Part) -> str:
    return f"{part.folder}-{part.split}-files"


def _file_set(part: Part) -> dict:
    return {
        "@type": "cr:FileSet",
        "@id": _set_id(part),
        "name": _set_id(part),
        "containedIn": [{"@id": file} for file in part.files],
        "encodingFormat": "application/x-parquet",
        "includes": f"{part.folder}/{part.split}-*.parquet",
    }


def _records(description: Description, part: Part) -> dict:
    name = f"{part.folder}-{part.split}"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Images of the content type {part.content}, split {part.split}.",
        "field": [_field(name, column, feature, part) for column, feature in description.features.items()],
    }


def _field(records: str, column: str, feature, part: Part) -> dict:
    extract, kind, about = {"column": column}, "sc:Text", ""
    source = {"fileSet": {"@id": _set_id(part)}, "extract": extract}
    if isinstance(feature, datasets.Image):
        kind, source["transform"] = "sc:ImageObject", {"jsonPath": "bytes"}
    elif isinstance(feature, datasets.ClassLabel):
        kind, about = "sc:Integer", ", ".join(f"{number}: {name}" for number, name in enumerate(feature.names))
    elif feature.dtype == "bool":
        kind = "sc:Boolean"
    elif feature.dtype.startswith("int"):
        kind = "sc:Integer"
    field = {"@type": "cr:Field", "@id": f"{records}/{column}", "name": column, "dataType": kind, "source": source}
    return {**field, "description": about} if about else field
