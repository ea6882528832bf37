"""The command line for tests: a folder of one's own, commands in this process, and what came of them."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from swarm_chain.cli.tree import cli

PASSWORD = "correct horse"


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that an expected error is; fails for anything else."""
        assert self.status == 1, (self.status, self.out, self.err)
        assert "Traceback" not in self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert self.err.rstrip().endswith(line)
        return line


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandLine:
    """Commands in one folder, of one user."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / ".swarm-chain"

    def run(self, *arguments: str, stdin: str | None = None) -> Done:
        """A command that ran in this process."""
        with self.here():
            done = CliRunner().invoke(cli, arguments, input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(status=done.exit_code, out=done.stdout, err=done.stderr)

    def must(self, *arguments: str, stdin: str | None = None) -> Done:
        """A command that ran in this process, and did what it should."""
        done = self.run(*arguments, stdin=stdin)
        assert done.status == 0, (arguments, done.out, done.err)
        return done

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """A command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "swarm_chain", *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, *arguments: str) -> Done:
        """A command that ran in a process of its own."""
        process = self.spawn(*arguments)
        out, err = process.communicate(timeout=120)
        return Done(status=process.returncode, out=out, err=err)

    def at_terminal(self, answer: str, *arguments: str) -> Done:
        """A command whose input and output are a terminal, at which one question is answered."""
        terminal, inner = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "swarm_chain", *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        said, deadline, is_answered = b"", time.monotonic() + 90, False
        while time.monotonic() < deadline:
            ready, _, _ = select.select([terminal], [], [], 1)
            try:
                said += os.read(terminal, 65536) if ready else b""
            except OSError:
                break
            if b"[y/N]" in said and not is_answered:
                is_answered = True
                os.write(terminal, answer.encode() + b"\n")
        os.close(terminal)
        return Done(status=process.wait(30), out="", err=said.decode("utf-8", "replace"))

    def environment(self) -> Mapping[str, str]:
        ours = {"SWARM_CHAIN_HOME": str(self.home), "SWARM_CHAIN_PASSWORD": PASSWORD}
        return {key: value for key, value in os.environ.items() if key != "SWARM_CHAIN_SETTINGS"} | ours

    @contextmanager
    def here(self) -> Iterator[None]:
        """This process, as if it was started in the folder."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.delenv("SWARM_CHAIN_SETTINGS", raising=False)
            for key in ("SWARM_CHAIN_HOME", "SWARM_CHAIN_PASSWORD"):
                patch.setenv(key, self.environment()[key])
            yield
