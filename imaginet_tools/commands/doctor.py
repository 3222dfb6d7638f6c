"""`imaginet doctor --data_dir RAW`: what of the data set is there, what is missing, and where to get it."""

import argparse
import json
import os

import imaginet
from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.doctor.doctor import diagnose, table
from imaginet_tools.doctor.verify import describe, verify


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line of the doctor."""
    parser = argparse.ArgumentParser(prog="imaginet doctor", description="Says what of the data set is there and what is missing.")
    parser.add_argument("--data_dir", required=True, help="folder of the raw images")
    parser.add_argument("--annotations", help="folder of the lists, if they lie elsewhere")
    parser.add_argument("--locations", help="YAML file: source -> folder, archive or URL, for sources that lie elsewhere")
    parser.add_argument("--registry", help="YAML file with sources of one's own")
    parser.add_argument("--config_name", default="all", choices=("all", *imaginet.CONTENTS, *imaginet.TESTSETS), help="a part only")
    parser.add_argument("--verify", action="store_true", help="decode every image and list what is wrong; takes long")
    parser.add_argument("--num_proc", type=int, default=os.cpu_count() or 1, help="processes of --verify (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 only when nothing is missing and, with --verify, nothing is wrong."""
    options = parse(arguments)
    given = {name: getattr(options, name) for name in ("data_dir", "annotations", "locations", "registry")}
    with in_one_sentence("doctor"):
        raw = imaginet.read_raw(imaginet.ImagiNetConfig(name=options.config_name, **given), make_index=options.verify)
        diagnoses = diagnose(raw)
        findings = verify(raw, options.num_proc) if options.verify else None
    if options.json:
        answer = {"sources": [each._asdict() for each in diagnoses], "findings": findings}
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        print(table(diagnoses, raw.root))
        for each in diagnoses:
            if each.missing:
                print(f"missing of {each.source}, e.g. {', '.join(each.missing)}")
        if findings is not None:
            print(describe(findings))
    return 1 if raw.missing or any((findings or {}).values()) else 0
