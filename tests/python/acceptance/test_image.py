"""The image without an engine: the instructions of the Dockerfile, executed in a folder instead of `/`."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from checkout import PROJECT
from databases import read_connection
from sales_warehouse.demo import write_sample
from sales_warehouse.settings import Settings

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

# commands that change the machine itself: users and owners
NEEDS_AN_ENGINE = {"useradd", "install"}


@dataclass
class Stage:
    """A stage of the Dockerfile as a folder."""

    root: Path
    folder: str = "/"
    variables: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def place(self, path: str) -> Path:
        """Return the path on this machine of a path in the image."""
        return self.root / os.path.join(self.folder, path).lstrip("/")  # noqa: PTH118  # an absolute path replaces

    def moved(self, text: str) -> str:
        """Return a text with the absolute paths of the image replaced by those on this machine."""
        parts = text.split(":")
        return ":".join(str(self.root / part.lstrip("/")) if part.startswith("/") else part for part in parts)

    def environment(self) -> dict[str, str]:
        path = self.moved(self.variables.get("PATH", "$PATH").replace("$PATH", ""))
        # this machine's Python instead of the image's, and no variable of the environment of the tests
        kept = {
            "PATH": f"{path}:{Path(sys._base_executable).parent}:/usr/bin:/bin",
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
        }
        # the package index is that of this machine
        kept |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "http", "HTTP", "SSL"))}
        return kept | {name: self.moved(value) for name, value in self.variables.items() if name != "PATH"}

    def run(self, words: list[str], **variables: str) -> str:
        program = shutil.which(self.moved(words[0]), path=self.environment()["PATH"])
        assert program is not None, words
        done = subprocess.run(
            [program, *map(self.moved, words[1:])],
            cwd=self.place("."),
            env=self.environment() | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def read_instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments, without comments and line breaks."""
    lines = (PROJECT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def carry_out(folder: Path) -> Stage:
    """Execute all instructions; return the last stage."""
    stages: dict[str, Stage] = {}
    stage = Stage(folder)
    for name, rest in read_instructions():
        if name == "FROM":
            stage = stages.setdefault(rest.split()[-1], Stage(folder / rest.split()[-1]))
        elif name == "WORKDIR":
            stage.folder = rest
            stage.place(".").mkdir(parents=True, exist_ok=True)
        elif name == "ENV":
            stage.variables |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif name == "COPY":
            *sources, target = [word for word in rest.split() if not word.startswith("--")]
            if "--from=" in rest:
                # a virtual environment contains its own path, so it is not copied
                origin = stages[rest.split("--from=")[1].split()[0]]
                stage.place(target).parent.mkdir(parents=True, exist_ok=True)
                stage.place(target).symlink_to(origin.place(sources[0]))
                continue
            for source in sources:
                found = PROJECT / source
                goal = stage.place(target) / found.name if target.endswith("/") else stage.place(target)
                goal.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if found.is_dir() else shutil.copy)(found, goal)
        elif name == "RUN":
            words = json.loads(rest)  # every command is a list: no shell interprets it
            if words[0] in NEEDS_AN_ENGINE:
                stage.left_out.append(words[0])
            else:
                stage.run(words)
        elif name in ("ENTRYPOINT", "CMD"):
            stage.command += json.loads(rest)
        else:
            assert name in ("ARG", "USER"), f"unknown instruction {name}"
    return stage


def test_the_steps_of_the_image_work_in_a_clean_environment(tmp_path: Path, database: Settings) -> None:
    image = carry_out(tmp_path / "image")
    assert image.left_out == ["useradd", "install"]
    for path in ("/home/warehouse/state/dagster", "/inbox"):
        image.place(path).mkdir(parents=True, exist_ok=True)
    truth = write_sample(image.place("/inbox"), days=14, records=5_000)
    connect = read_connection(database)
    printed = image.run([*image.command, "--settle", "0"], **connect)
    assert f"{truth.totals.records_read:,}" in printed
    # the docs service, up to the point where it would serve
    image.run(["dbt", "docs", "generate", "--quiet", "--target", "prod"], **connect)
    assert (image.place("/home/warehouse/state/dbt/target") / "catalog.json").is_file()
    # the project is read-only in the image: no file was written beside it
    assert not {"target", "logs", ".warehouse"} & {path.name for path in image.place("/warehouse").iterdir()}
