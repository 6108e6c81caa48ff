"""A headless Chromium, driven by its own protocol: no driver and no package beside the one that the view needs."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time

from websockets.sync.client import connect

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--force-device-scale-factor=1",
)


def chromium():
    """Path of the program, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One page of a browser of its own.

    Parameters
    ----------
    folder : Path
        New: holds the browser's profile and what is downloaded.
    """

    def __init__(self, folder, width=1280, height=800):
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True)
        profile = folder / "profile"
        self._process = subprocess.Popen(
            [chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # as on a desktop: it shares neither niceness nor Ctrl-C with this process
        )
        self._numbers, self.errors, self._open, self._socket = itertools.count(1), [], contextlib.ExitStack(), None
        try:
            port = profile / "DevToolsActivePort"
            number, path = until(lambda: port.exists() and port.read_text().split(), 30)
            opened = connect(f"ws://127.0.0.1:{number}{path}", max_size=None, compression=None)
            self._socket = self._open.enter_context(opened)
            self._session = None
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self.call(f"{domain}.enable")
            self.size(width, height)
        except BaseException:
            self.close()
            raise

    def call(self, method, **parameters):
        """Call a method of the protocol; note what the page complains of meanwhile."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"]["exception"].get("description", "an exception"))
            if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                self.errors.append(answer["params"]["entry"]["text"])
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def size(self, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def open(self, address):
        self.call("Page.navigate", url=address)

    def run(self, script):
        """Return the value of an expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, name):
        return self.run(f"document.getElementById({name!r})?.textContent ?? ''")

    def click(self, x, y, to=None):
        """Click, or drag to another place; in px of the page."""
        for kind, (px, py) in (("mousePressed", (x, y)), *((("mouseMoved", to),) if to else ()), ("mouseReleased", to or (x, y))):  # fmt: skip
            self.call("Input.dispatchMouseEvent", type=kind, x=px, y=py, button="left", clickCount=1, buttons=1)

    def press(self, key, *, shift=False):
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        common = {"key": key, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def press_button(self, name):
        self.run(f"document.getElementById({name!r}).click()")

    def screenshot(self, path):
        path.write_bytes(
            base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])
        )

    def close(self):
        if self._socket is not None:
            self._session = None
            with contextlib.suppress(Exception):  # it is killed next
                self.call("Browser.close")
        self._open.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def until(condition, timeout_s=15.0):
    """Return the first true value of a condition."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return value
