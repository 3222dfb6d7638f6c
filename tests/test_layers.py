"""Imports run down only, between the floors of this table, and never in a circle; a new folder must be entered here."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.read_imports import changes_of_the_path, imports_by_string, imports_of, module_of

FLOORS = (  # from the ground; rooms of one floor do not import each other
    {
        "imaginet_core": (
            "imaginet_core", "imaginet_core/detection", "imaginet_core/pictures", "imaginet_core/pictures/degradation_grid",
            "imaginet_core/provenance", "imaginet_core/storage",
        ),
        "modeling": ("modeling",),
    },
    {"imaginet.py": ("imaginet.py",)},
    {"images": ("imaginet_tools", "imaginet_tools/images", "imaginet_tools/images/layouts"), "metrics": ("imaginet_tools/metrics",)},
    {"audit": ("imaginet_tools/audit",), "doctor": ("imaginet_tools/doctor",)},
    {"inference": (
        "imaginet_tools/inference", "imaginet_tools/inference/app", "imaginet_tools/inference/heat_maps",
        "imaginet_tools/inference/networks", "imaginet_tools/inference/score_report", "imaginet_tools/inference/scoring", "imaginet_tools/inference/service",
    )},
    {"evaluation": (
        "imaginet_tools/evaluation", "imaginet_tools/evaluation/baselines", "imaginet_tools/evaluation/comparison",
        "imaginet_tools/evaluation/html", "imaginet_tools/evaluation/reports", "imaginet_tools/evaluation/rivals",
        "imaginet_tools/evaluation/robustness", "imaginet_tools/evaluation/stored",
    )},
    {"publish": ("imaginet_tools/publish",)},
    {"commands": ("imaginet_tools/commands", "imaginet_tools/commands/evaluation", "imaginet_tools/commands/serving")},
    {"training": (
        "training", "training/reconstructions", "training/run", "training/simulation", "training/stages", "training/stages/losses",
        "training/views",
    )},
    {
        "train_selfcon.py": ("train_selfcon.py",), "scripts": ("scripts",), "examples": ("examples",),
        "scoring": ("scoring",),  # the old name of a script
    },
    {
        "benchmarks": (
            "benchmarks", "benchmarks/evaluation", "benchmarks/explanations", "benchmarks/trainings", "benchmarks/unseen",
        ),
        "jobs": ("jobs",),
        "metric of evaluate": ("metrics/synthetic_image_detection",),
    },
)
MAY_NOT_IMPORT = {"imaginet_tools": ("modeling",), "imaginet.py": ("modeling",)}
"""Beyond the floors: files whose paths begin so do not import this. Their models bring their code with them."""
ALIASES = {"scoring/convert.py": "scripts"}
"""Old names of commands, which lead to the new ones on the same floor."""
HANDS_OVER = ("imaginet.py", "main", "imaginet_tools.commands")
"""The one exception: the main of imaginet.py hands its command line to the commands."""
INSTALLED = ("imaginet.py", "imaginet_core", "imaginet_tools", "modeling")
NOT_OURS = ("tests", "build", "dist", "runs", "shared")
LONGEST = 14
"""Python files in one folder, at most."""
KNOWN: set[str] = set()
"""What is still to be mended, as ``Violation.key``; it only ever gets shorter."""


class Violation(NamedTuple):
    """What is wrong, where; ``key`` is the same when lines move."""

    file: str
    line: int
    what: str

    @property
    def key(self) -> str:
        return f"{self.file}: {self.what}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


class House:
    """The Python files below a root, but for tests and what no one wrote, with floors and imports.

    Attributes:
        files: path below the root, with "/" -> file.
        modules: dotted name -> path.
        edges: path -> path of an imported file -> first line that imports it.
    """

    def __init__(self, root: Path):
        folders = [
            folder for folder in root.iterdir()
            if folder.is_dir() and folder.name not in NOT_OURS and not folder.name.startswith(".")
            and folder.suffix != ".egg-info"
        ]
        found = [*root.glob("*.py"), *(file for folder in folders for file in folder.rglob("*.py"))]
        found = sorted(file for file in found if file.name != "setup.py")
        self.root, self.files = root, {file.relative_to(root).as_posix(): file for file in found}
        self.modules = {module_of(file, root): path for path, file in self.files.items()}
        self.rooms = {
            place: (floor, room) for floor, rooms in enumerate(FLOORS) for room, places in rooms.items() for place in places
        }
        self.imports = {path: imports_of(file, root) for path, file in self.files.items()}
        self.edges = {path: self._edges(path) for path in self.files}

    def violations(self) -> list[Violation]:
        """Everything that is wrong, sorted."""
        found = [*self._unknown_and_crowded_folders(), *self._circles()]
        for path in self.files:
            if self._place(path) in self.rooms:
                found += self._upward(path)
            found += self._by_string(path)
        return sorted(found)

    def _place(self, path: str) -> str:
        return path if "/" not in path else path.rpartition("/")[0]

    def _imported(self, path: str, module: str) -> str | None:
        """The file of ours that a name leads to: a module, or what a module or package defines; None for others' code."""
        parts = module.split(".")
        for length in range(len(parts), 0, -1):
            if (name := ".".join(parts[:length])) in self.modules:
                return self.modules[name]
        beside = f"{self._place(path)}/{parts[0]}.py"  # what a file that is run as a script finds beside it
        return beside if beside in self.files else None

    def _edges(self, path: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for each in self.imports[path]:
            target = self._imported(path, each.module)
            if target is not None and target != path:
                found.setdefault(target, each.line)
        return found

    def _upward(self, path: str) -> list[Violation]:
        floor, room = self.rooms[self._place(path)]
        found = []
        for each in self.imports[path]:
            target = self._imported(path, each.module)
            if target is None or self._place(target) not in self.rooms or self._is_excepted(path, each):
                continue
            above, other = self.rooms[self._place(target)]
            forbidden = any(path.startswith(start) and other in names for start, names in MAY_NOT_IMPORT.items())
            if other != room and (above >= floor or forbidden) and ALIASES.get(path) != other:
                found.append(Violation(path, each.line, f"imports {target}, which is not below it"))
            elif room == "modeling" and each.level == 0:
                found.append(Violation(path, each.line, f"imports {target} by its full name, though it travels; write `from .`"))
        return list({violation.key: violation for violation in reversed(found)}.values())

    def _is_excepted(self, path: str, each) -> bool:
        file, function, package = HANDS_OVER
        return (path, each.function) == (file, function) and f"{each.module}.".startswith(f"{package}.")

    def _unknown_and_crowded_folders(self) -> list[Violation]:
        found, counts = [], {}
        for path in self.files:
            place = self._place(path)
            counts.setdefault(place, []).append(path)
            if place not in self.rooms and len(counts[place]) == 1:
                found.append(Violation(path, 1, f"{place} is not in the table of floors; enter it there"))
        for place, paths in counts.items():
            if len(paths) > LONGEST:
                found.append(Violation(paths[LONGEST], 1, f"{place} holds more than {LONGEST} Python files; part it by subject"))
        return found

    def _by_string(self, path: str) -> list[Violation]:
        found = []
        for line, named in imports_by_string(self.files[path]):
            if named is None:
                found.append(Violation(path, line, "imports a module whose name cannot be read here; write the import out"))
            elif self._imported(path, named) is not None or named.endswith(".py"):
                found.append(Violation(path, line, f"imports our own {named} by a string; write the import out"))
        if path.startswith(INSTALLED):
            for line in changes_of_the_path(self.files[path]):
                found.append(Violation(path, line, "changes where modules are looked for, though it is installed"))
        return found

    def _circles(self) -> list[Violation]:
        """One violation for each import that lies on a circle: the imported file leads back to the importing one."""
        file, _, package = HANDS_OVER
        edges = {path: dict(targets) for path, targets in self.edges.items()}
        for target in list(edges.get(file, {})):
            if target.startswith(f"{package.replace('.', '/')}/"):
                del edges[file][target]  # above the table it is an exception, so it is none here
        reached = {path: _reachable(path, edges) for path in edges}
        return [
            Violation(path, line, f"imports {target}, which imports it in turn (a circle)")
            for path, targets in edges.items() for target, line in targets.items() if path in reached[target]
        ]


def _reachable(start: str, edges: dict[str, dict[str, int]]) -> set[str]:
    found, waiting = set(), [start]
    while waiting:
        for target in edges[waiting.pop()]:
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def test_imports_run_down_and_in_no_circle(repository):
    violations = House(repository).violations()
    new = [str(each) for each in violations if each.key not in KNOWN]
    assert not new, "\n" + "\n".join(new)
    gone = KNOWN - {each.key for each in violations}
    assert not gone, f"Mended; take these out of KNOWN: {sorted(gone)}"


# the test can fail

SOUND = {
    "imaginet.py": "import imaginet_core\n\n\ndef main():\n    from imaginet_tools.commands import main\n    return main\n",
    "imaginet_core/__init__.py": "import os\n",
    "imaginet_tools/commands/main.py": "import imaginet\nimport numpy\n",
    "modeling/__init__.py": "from .backbones import make\n",
    "modeling/backbones.py": "def make(): pass\n",
    "training/options.py": "from modeling import make\n",
    "tests/test_all.py": "import training.options\n",
    "build/lib/x.py": "import nothing\n",
}
UNSOUND = {
    "up": ({"imaginet_core/files.py": "import os\nimport imaginet\n"}, "imaginet_core/files.py:2: imports imaginet.py"),
    "up in a function": (
        {"imaginet_core/files.py": "def f():\n    from imaginet import main\n"}, "imaginet_core/files.py:2: imports imaginet.py",
    ),
    "up for a type": (
        {"imaginet_core/files.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import training.options\n"},
        "imaginet_core/files.py:3: imports training/options.py",
    ),
    "up by dots": (
        {"imaginet_tools/images/a.py": "from ..commands.main import x\n"}, "images/a.py:1: imports imaginet_tools/commands/main",
    ),
    "across a floor": (
        {"imaginet_tools/audit/a.py": "", "imaginet_tools/doctor/b.py": "from imaginet_tools.audit import a\n"},
        "doctor/b.py:1: imports imaginet_tools/audit/a.py",
    ),
    "modeling from the tools": (
        {"imaginet_tools/inference/a.py": "import modeling\n"}, "inference/a.py:1: imports modeling/__init__.py",
    ),
    "a full name where code travels": (
        {"modeling/saving.py": "from modeling.backbones import make\n"}, "saving.py:1: imports modeling/backbones.py by its",
    ),
    "the exception elsewhere": (
        {"imaginet.py": "def help():\n    from imaginet_tools.commands import main\n"}, "imaginet.py:2: imports imaginet_tools/c",
    ),
    "a circle": (
        {"training/a.py": "from training import b\n", "training/b.py": "def f():\n    from training import c\n",
         "training/c.py": "from .a import x\n"},
        "training/b.py:2: imports training/c.py, which imports it in turn",
    ),
    "a crowded folder": ({f"scripts/s{number:02}.py": "" for number in range(15)}, "scripts/s14.py:1: scripts holds more than"),
    "a new folder": ({"imaginet_tools/new/a.py": ""}, "imaginet_tools/new/a.py:1: imaginet_tools/new is not in the table"),
    "a new file at the root": ({"new.py": ""}, "new.py:1: new.py is not in the table"),
    "an import by a string": (
        {"scripts/a.py": "import importlib\n\nimportlib.import_module('training.options')\n"},
        "scripts/a.py:3: imports our own training.options by a string",
    ),
    "an import by a file's name": (
        {"scripts/a.py": "import importlib.util as u\nu.spec_from_file_location('x', 'y.py')\n__import__('imaginet')\n"},
        "scripts/a.py:3: imports our own imaginet by a string",
    ),
    "an import by a variable": ({"scripts/a.py": "name = 'x'\n__import__(name)\n"}, "scripts/a.py:2: imports a module whose"),
    "the path of modules": (
        {"imaginet_core/a.py": "import sys\nsys.path.insert(0, '.')\n"}, "imaginet_core/a.py:2: changes where modules",
    ),
    "the path of modules, taken by name": (
        {"imaginet.py": "from sys import path\n"}, "imaginet.py:1: changes where modules are looked for",
    ),
}


def write(root: Path, files: dict[str, str]) -> House:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return House(root)


def test_a_sound_tree_passes(tmp_path):
    assert write(tmp_path, SOUND).violations() == []


@pytest.mark.parametrize("fault", UNSOUND)
def test_each_fault_is_found_with_its_line(fault, tmp_path):
    files, message = UNSOUND[fault]
    found = [str(each) for each in write(tmp_path, {**SOUND, **files}).violations()]
    assert any(message in each for each in found), found
    assert len(found) == (3 if fault == "a circle" else 1), found  # nothing else is blamed
