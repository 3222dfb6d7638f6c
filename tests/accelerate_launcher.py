"""What Accelerate's launcher would start, without starting it."""

from pathlib import Path

import pytest
from accelerate.commands import launch
from accelerate.utils.launch import prepare_simple_launcher_cmd_env


def single_process_of(monkeypatch: pytest.MonkeyPatch, configuration: Path, script: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of the one process that ``accelerate launch --config_file CONFIGURATION SCRIPT`` starts."""
    started = []
    monkeypatch.setattr(launch, "simple_launcher", lambda arguments: started.append(prepare_simple_launcher_cmd_env(arguments)))
    launch.launch_command(launch.launch_command_parser().parse_args(["--config_file", str(configuration), script]))
    ((command, environment),) = started
    return command, environment
