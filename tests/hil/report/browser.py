"""A real Chromium without a window, driven over the W3C WebDriver protocol with urllib alone."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_STARTED_S = 60.0  # on a loaded machine
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # W3C WebDriver, clause 11


def missing() -> str:
    """What is not installed of it; "" when all is there."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not installed" if lacking else ""


class Browser:
    """One window. Waits are the caller's: `until`."""

    def __init__(self, address: str, session: str) -> None:
        self._base = f"{address}/session/{session}"

    def go(self, url: str) -> None:
        _call(f"{self._base}/url", {"url": url})

    def js(self, body: str, *arguments: Any) -> Any:
        """What a function with this body returns; its arguments are `arguments[0]` ..."""
        return _call(f"{self._base}/execute/sync", {"script": body, "args": list(arguments)})

    def until(self, body: str, *arguments: Any) -> Any:
        """The first true answer of `js`, within a deadline."""
        deadline = time.monotonic() + _STARTED_S
        while time.monotonic() < deadline:
            if answer := self.js(body, *arguments):
                return answer
            time.sleep(0.02)
        raise TimeoutError(body)

    def click(self, selector: str) -> None:
        _call(f"{self._base}/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        _call(f"{self._base}/element/{self._find(selector)}/value", {"text": text})

    def drag(self, selector: str, begin: float, end: float) -> None:
        """Along the middle of an element, from and to in parts of its width from its centre."""
        element = self._find(selector)
        wide = self.js("return arguments[0].getBoundingClientRect().width", {_ELEMENT: element})

        def moved(part: float) -> dict[str, Any]:
            origin = {_ELEMENT: element}
            return {"type": "pointerMove", "origin": origin, "x": int(part * wide), "y": 0}

        steps = [
            moved(begin),
            {"type": "pointerDown", "button": 0},
            moved((begin + end) / 2),
            moved(end),
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {"type": "pointer", "id": "mouse", "actions": steps}
        _call(f"{self._base}/actions", {"actions": [pointer]})

    def size(self, width: int, height: int) -> None:
        """Of what the page sees, whatever frame a window has."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._chromium("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, *, kind: str = "", scheme: str = "light") -> None:
        """kind: "" or "print"; scheme: "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._chromium("Emulation.setEmulatedMedia", {"media": kind, "features": features})

    def screenshot(self, path: Path, selector: str = "") -> None:
        part = f"/element/{self._find(selector)}" if selector else ""
        path.write_bytes(base64.b64decode(_call(f"{self._base}{part}/screenshot")))

    def console(self) -> list[str]:
        """What was told there since it was last asked: errors, refused scripts, lost requests."""
        entries = _call(f"{self._base}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries]

    def pdf(self) -> bytes:
        return base64.b64decode(_call(f"{self._base}/print", {}))

    def _find(self, selector: str) -> str:
        found = _call(f"{self._base}/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _chromium(self, command: str, parameters: Any) -> None:
        _call(f"{self._base}/goog/cdp/execute", {"cmd": command, "params": parameters})


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """A new browser with a profile of its own below `folder`; both processes end with it."""
    log = folder / "chromedriver.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(["chromedriver", "--port=0"], stdout=out) as driver,
    ):
        try:
            address = f"http://127.0.0.1:{_port(log)}"
            options = {"args": [*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"]}
            wanted = {
                "goog:chromeOptions": options | {"binary": shutil.which("chromium")},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            told = _call(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})
            try:
                yield Browser(address, told["sessionId"])
            finally:
                _call(f"{address}/session/{told['sessionId']}", method="DELETE")
        finally:
            driver.terminate()


def _port(log: Path) -> int:
    """That it says it listens on; it is asked for any that is free."""
    deadline = time.monotonic() + _STARTED_S
    while time.monotonic() < deadline:
        text = log.read_text()
        if "started successfully on port" in text:
            return int(text.split("started successfully on port ")[1].split(".")[0])
        time.sleep(0.02)
    raise TimeoutError(f"chromedriver does not listen: {log.read_text()}")


def _call(url: str, content: Any = None, *, method: str = "") -> Any:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(  # noqa: S310  always our own driver
        url, body, {"Content-Type": "application/json"}, method=method or None
    )
    try:
        with urllib.request.urlopen(request, timeout=_STARTED_S) as answer:  # noqa: S310
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(error.read().decode()) from error
