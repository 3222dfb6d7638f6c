"""`pip install .` brings the data set part, the sample with it, and nothing with a general name."""

import os
import shutil
import subprocess
import sys


def test_an_installed_package_loads_the_sample_anywhere(repository, tmp_path):
    source, target, elsewhere = tmp_path / "source", tmp_path / "site", tmp_path / "elsewhere"
    source.mkdir()
    elsewhere.mkdir()
    for name in ("imaginet.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    for name in ("imaginet_core", "imaginet_tools", "sample", "dataset_card"):
        shutil.copytree(repository / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", target, source],
        check=True, timeout=120,
    )
    installed = {path.name for path in target.iterdir() if path.name != "__pycache__" and not path.name.endswith(".dist-info")}
    assert installed == {"imaginet.py", "imaginet_core", "imaginet_tools", "bin", "imaginet_sample", "imaginet_dataset_card"}
    assert (target / "imaginet_sample" / "LICENSES.md").read_bytes() == (repository / "sample" / "LICENSES.md").read_bytes()

    code = "import imaginet, datasets; print(imaginet.__file__, len(datasets.load_dataset('imaginet', 'sample', split='test')))"
    code += "; imaginet.main(['export', '--config_name', 'sample', '--output', 'out'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(target), "HF_HOME": str(tmp_path / "home")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == [str(target / "imaginet.py"), "64"]
    assert "not ImagiNet" in (elsewhere / "out" / "README.md").read_text(encoding="utf-8")
