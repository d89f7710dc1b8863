"""JupyterLab in a headless Chromium: open a notebook, press keys, watch the picture.

The server listens on 127.0.0.1 only, asks for a token, has settings of its own in a
temporary folder, and ends with the `with` block.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from statistics import median
from tempfile import TemporaryDirectory

import nbformat
from playwright.sync_api import Page, sync_playwright

from labkit.common.file_errors import FileError
from labkit.common.reading import read_json

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
)
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
CELL = """from labkit.panels import quantization_panel
panel = quantization_panel({!r}, bits=3)
panel"""
# JupyterLab opens again what was open before: only the notebook in front counts.
IN_FRONT = ".jp-NotebookPanel:not(.lm-mod-hidden)"
START_SECONDS = 60
MARGIN, PANEL_WIDTH = 6, 880  # pixels; the panel is `page.WIDTH` wide, 860
WAIT_MS = 60_000
# All test images of resnet20 take three files long, on a slow machine minutes.
PATIENCE_MS = 900_000


def chromium() -> str | None:
    """The path of a Chromium on this machine, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def write_notebook(path: Path, cells: list[str]) -> Path:
    """A notebook of code cells."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)
    return path


@contextmanager
def jupyter_lab(folder: Path, subshells: bool) -> Iterator[str]:
    """Serve `folder`; gives a notebook's address, token included, {} its name.

    subshells: whether widgets' messages reach the kernel while a cell runs.
    """
    with TemporaryDirectory(ignore_cleanup_errors=True) as home:
        token = token_hex(16)
        server = subprocess.Popen(
            _command(folder, token),
            env=_environment(Path(home), subshells),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = _address(server, Path(home) / "runtime")
            yield f"{address}lab/tree/{{}}?token={token}"
        finally:
            server.terminate()
            server.wait(START_SECONDS)


def _command(folder: Path, token: str) -> list[str]:
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": 0,
        "ServerApp.root_dir": folder,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": token,
        "LabApp.expose_app_in_browser": True,
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyterlab", *flags]


def _environment(home: Path, subshells: bool) -> dict[str, str]:
    """Folders of its own, so that no setting of the reader's machine matters."""
    comms = "perCommTarget" if subshells else "disabled"
    settings = {
        **SETTINGS,
        "apputils-extension/kernels-settings": {"commsOverSubshells": comms},
    }
    for name, content in settings.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }


def _address(server: subprocess.Popen, runtime: Path) -> str:
    """The server's address, from the file that it writes when it listens."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            try:
                return read_json(path, {"url": str}, "start JupyterLab again")["url"]
            except FileError:
                pass  # not written to the end yet
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start within {START_SECONDS} s")


@contextmanager
def browser_page(
    width: int = 1400, height: int = 1000, wait_ms: int | None = None
) -> Iterator[Page]:
    """A page of a fresh headless Chromium.

    wait_ms: how long each step may take, WAIT_MS if left out.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(WAIT_MS if wait_ms is None else wait_ms)
        yield page
        browser.close()


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page: Page, address: str, name: str):
        self.page = page
        page.goto(address.format(name), wait_until="domcontentloaded")
        page.wait_for_function(
            "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
        )
        page.evaluate("jupyterapp.shell.currentWidget.sessionContext.ready")

    def run_all(self) -> None:
        """Run every cell, and wait for the last."""
        self.page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")

    def start_last_cell(self) -> None:
        """Start the last cell again, and do not wait for it."""
        self.page.evaluate(
            """() => {
              const content = jupyterapp.shell.currentWidget.content;
              content.activeCellIndex = content.widgets.length - 1;
              content.deselectAll();
              jupyterapp.commands.execute('notebook:run-cell');
            }"""
        )

    def wait_idle(self) -> None:
        """Wait until no cell runs or waits."""
        self.page.wait_for_function(
            "() => jupyterapp.shell.currentWidget.content.widgets.every("
            "cell => cell.model.type !== 'code' || cell.model.executionState === 'idle'"
            ")"
        )

    def last_output(self) -> str:
        """The text that the last cell printed."""
        return (
            self.page.locator(f"{IN_FRONT} .jp-CodeCell .jp-OutputArea")
            .last.inner_text()
            .strip()
        )

    def save(self) -> None:
        """Write the notebook's file."""
        self.page.evaluate("jupyterapp.commands.execute('docmanager:save')")

    def shut_down(self) -> None:
        """End the notebook's kernel."""
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def errors(self) -> list[str]:
        """What cells raised."""
        error = '[data-mime-type="application/vnd.jupyter.error"]'
        shown = self.page.locator(f"{IN_FRONT} {error}")
        return shown.all_inner_texts()

    def panel(self, number: int = 0) -> "PanelOnPage":
        """The panel number `number`, counted from the top."""
        cells = self.page.locator(
            f"{IN_FRONT} .jp-CodeCell", has=self.page.locator(".widget-slider")
        )
        return PanelOnPage(self.page, cells.nth(number))


class PanelOnPage:
    """A panel as a reader has it: keys in, pixels and text out."""

    def __init__(self, page: Page, cell):
        self.page = page
        self.cell = cell
        self.slider = cell.locator(".noUi-handle").first
        self.image = cell.locator(".jp-RenderedImage img").first

    def picture(self) -> str:
        """The picture's pixels, as the address of its data."""
        return self.image.get_attribute("src")

    def readout(self) -> str:
        """The lines under the controls."""
        return self.cell.locator('[role="status"]').first.inner_text()

    def state(self) -> str:
        """The line that says how far the measurement is."""
        return self.cell.locator('[role="note"], [role="alert"]').first.inner_text()

    def press(self, key: str, slider: int = 0) -> None:
        """Press a key with a slider in focus, the first or a later one."""
        handle = self.cell.locator(".noUi-handle").nth(slider)
        handle.wait_for()
        handle.focus()
        self.page.keyboard.press(key)

    def push(self, name: str) -> None:
        """Push a button with the space bar; an icon may stand before its name."""
        ends_so = re.compile(rf"(^|\W){re.escape(name)}$")
        button = self.cell.get_by_role("button", name=ends_so).first
        button.wait_for()
        button.focus()
        self.page.keyboard.press("Space")

    def screenshot(self) -> bytes:
        """A PNG of the panel from its first control to its last row."""
        self.page.evaluate("document.activeElement.blur()")
        whole = self.cell.locator(".jp-OutputArea").first
        whole.scroll_into_view_if_needed()
        left = self.cell.locator(".jp-OutputArea-output").first.bounding_box()["x"]
        place = {**whole.bounding_box(), "x": left - MARGIN, "width": PANEL_WIDTH}
        return self.page.screenshot(clip=place)

    def watch_places(self) -> None:
        """From now on note, frame by frame, where readout, picture and ledger are."""
        self.cell.evaluate(_PLACES)

    def watched_places(self) -> list[str]:
        """Every arrangement that a frame had since `watch_places`."""
        return self.cell.evaluate("() => [...window.places]")

    def wait_until_drawn(self, picture: str) -> None:
        """Wait until the picture is another one."""
        self.page.wait_for_function(
            "([cell, src]) => cell.querySelector('.jp-RenderedImage img')?.src !== src",
            arg=[self.cell.element_handle(), picture],
        )

    def wait_until_changed(self, picture: str, readout: str) -> None:
        """Wait until neither the picture nor the readout is what it was."""
        self.page.wait_for_function(
            """([cell, picture, readout]) =>
              cell.querySelector('.jp-RenderedImage img')?.src !== picture &&
              cell.querySelector('[role="status"]').innerText !== readout""",
            arg=[self.cell.element_handle(), picture, readout],
        )

    def wait_for(self, text: str) -> None:
        """Wait until the readout has `text`."""
        self.cell.locator('[role="status"]', has_text=text).first.wait_for()

    def wait_exact(self) -> None:
        """Wait until every figure is there."""
        done = self.page.get_by_role("note").filter(has_text="exact")
        self.cell.locator(done).filter(has_not_text="follow").first.wait_for()

    def milliseconds_to_pixels(self, key: str) -> float:
        """From pressing a key to a changed picture, by the page's own clock."""
        self.slider.focus()
        watch = self.image.element_handle().evaluate_handle(_WATCH)
        self.page.keyboard.press(key)
        return watch.evaluate("watch => watch.done")


_WATCH = """image => {
  const cell = image.closest('.jp-CodeCell');
  const source = () => cell.querySelector('.jp-RenderedImage img')?.src;
  const before = source();
  let start = 0;
  window.addEventListener('keydown', () => { start = performance.now(); },
                          {capture: true, once: true});
  const done = new Promise(resolve => {
    const look = () => {
      const now = source();
      if (start && now && now !== before) resolve(performance.now() - start);
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  return {done};
}"""

_PLACES = """cell => {
  const parts = ['[role="status"]', '.jp-RenderedImage img', '.jp-OutputArea table'];
  window.places = new Set();
  const look = () => {
    const start = cell.getBoundingClientRect().top;
    const places = parts.map(part => {
      const place = cell.querySelector(part)?.getBoundingClientRect();
      return place && [place.top - start, place.left, place.width, place.height];
    });
    window.places.add(JSON.stringify(places));
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def key_to_pixels(network: str, presses: int = 12) -> list[float]:
    """Milliseconds from a key press on the bits slider to a changed picture.

    Every press goes to a setting not visited before: no figure comes from a cache.
    """
    with TemporaryDirectory() as folder:
        write_notebook(Path(folder) / "panel.ipynb", [CELL.format(network)])
        with (
            jupyter_lab(Path(folder), False) as address,
            browser_page(wait_ms=PATIENCE_MS) as page,
        ):
            notebook = Notebook(page, address, "panel.ipynb")
            notebook.run_all()
            panel = notebook.panel()
            times = []
            for _ in range(presses):
                times.append(panel.milliseconds_to_pixels("ArrowRight"))
                panel.wait_exact()
            return times


def main() -> None:
    """Print the medians."""
    for network in ("mlp", "lenet5", "resnet8", "resnet20"):
        print(
            f"{network}: {median(key_to_pixels(network)):.0f} ms, key press to pixels"
        )


if __name__ == "__main__":
    main()
