"""A headless Chromium of the distribution, driven over its debugging pipe; tests without one are skipped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium, for example the distribution's package"
)


class Page:
    """One page, spoken to in the Chrome DevTools Protocol: null-terminated JSON over two pipes."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = os.fdopen(reader, "rb"), os.fdopen(writer, "wb")
        self._number, self._session = 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Do something; return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._writer.write(json.dumps(message).encode() + b"\0")
        self._writer.flush()
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        held = bytearray()
        while (letter := self._reader.read(1)) != b"\0":
            assert letter, "the browser is gone"
            held += letter
        return json.loads(held)

    def open(self, url: str, *, width: int = 1000) -> None:
        """Load a page and wait until it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=1400, deviceScaleFactor=1, mobile=False
        )
        self.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())
        self.events = [event for event in self.events if event.get("method") != "Page.loadEventFired"]

    def run(self, expression: str) -> Any:
        """Return what an expression of the page's script is."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def complaints(self) -> list[str]:
        """Return what the page wrote to its console or was refused."""
        names = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in names]


@contextlib.contextmanager
def page(profile):
    """Start the browser; yield its page."""
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()

    def pipes() -> None:
        os.dup2(in_read, 3)
        os.dup2(out_write, 4)

    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command = [CHROMIUM, *options, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
    process = subprocess.Popen(
        command,
        preexec_fn=pipes,  # noqa: PLW1509  only duplicates descriptors; the browser wants numbers 3 and 4
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(in_read)
    os.close(out_write)
    opened = Page(out_read, in_write)
    try:
        yield opened
    finally:
        process.terminate()
        process.wait(20)
        opened._reader.close()
        with contextlib.suppress(OSError):
            opened._writer.close()
