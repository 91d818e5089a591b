"""A small house with a configuration: commands as one types them, events put in within this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml
from click.testing import CliRunner

from citysoc.cli import root
from citysoc.commands.rulesets import work_of
from citysoc.config.load import load
from citysoc.errors import CitysocError
from citysoc.pipeline.pull import given_files, pull
from citysoc.service.service import Service
from citysoc.state import State
from citysoc.stores.local import LocalStore

if TYPE_CHECKING:
    from pathlib import Path


class House:
    """A folder with ``citysoc.yaml``, two agencies and a folder of rules of its own; the shipped rules are off."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules = folder / "rules"
        self.rules.mkdir()
        (folder / "sources").mkdir()
        (folder / "agencies.yaml").write_text(
            "agencies:\n  - {id: so-y-te, name: Sở Y tế}\n  - {id: so-gd, name: Sở Giáo dục}\n", "utf-8"
        )
        self.settings("rules: {shipped: false}\n")
        self._files = 0

    def settings(self, text: str) -> None:
        """Write ``citysoc.yaml``."""
        (self.folder / "citysoc.yaml").write_text(text, "utf-8")

    def rule(self, name: str, /, **document: Any) -> Path:
        """Write a rule file."""
        path = self.rules / f"{name}.yml"
        path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), "utf-8")
        return path

    def run(self, *arguments: Any, code: int = 0) -> Any:
        """Run a command in English; return its result."""
        config = ["--lang", "en", "--config", str(self.folder / "citysoc.yaml")]
        result = CliRunner().invoke(root, [*config, *map(str, arguments)], standalone_mode=False)
        if isinstance(result.exception, CitysocError):
            assert result.exception.exit_code == code, result.exception
            return result
        assert result.exception is None, (result.exception, result.output)
        assert (result.return_value or 0) == code, (result.return_value, result.output)
        return result

    def rows(self, *arguments: Any, code: int = 0) -> list[dict[str, Any]]:
        """Run a command; return what it prints as objects."""
        return [
            json.loads(line) for line in self.run(*arguments, "-f", "ndjson", code=code).stdout.splitlines()
        ]

    def ingest(self, *events: dict[str, Any], agency: str = "so-y-te") -> None:
        """Put events through the line, as a file of one of the agencies, with all rules of the house."""
        self._files += 1
        path = self.folder / f"in-{self._files}.ndjson"
        path.write_text("".join(json.dumps(event) + "\n" for event in events), "utf-8")
        config = load(self.folder)
        config.data_dir.mkdir(exist_ok=True)
        state = State(config.state_path)
        try:
            service = Service(
                config=config, work=work_of(config), state=state, store=LocalStore(config.store_path)
            )
            with service.line(workers=None) as line:
                pull(line, state, [given_files([path], agency=agency, parser_name="ndjson")], flush=True)
                line.end()
        finally:
            state.close()

    def state(self, sql: str) -> list[dict[str, Any]]:
        """Ask the state database."""
        state = State(load(self.folder).state_path, read_only=True)
        try:
            return [dict(row) for row in state.rows(sql)]
        finally:
            state.close()
