"""pip's settings (pip.conf, PIP_…) as uv's, so that both ask the same registries.

uv reads none of pip's files: behind a company's registry it would ask the public one.
"""

import ast
import importlib.util
import os
import subprocess
import sys

# pip's settings that uv takes as options of the same name, and those it reads.
REGISTRIES = ("index-url", "extra-index-url", "find-links", "trusted-host")
VARIABLES = {
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
SCOPES = ("global", "user", "site", "install", ":env:")  # later ones win


def pip_config() -> str:
    """What `pip config list` prints, or nothing where this Python has no pip."""
    if importlib.util.find_spec("pip") is None:
        return ""
    command = [sys.executable, "-m", "pip", "config", "list"]
    aloud = os.environ | {"PIP_QUIET": "0"}
    return subprocess.run(command, env=aloud, capture_output=True, text=True).stdout


def pip_settings(listed: str) -> dict[str, list[str]]:
    """What `pip config list` printed, as setting -> its values.

    >>> pip_settings("global.timeout='9'\\n:env:.find-links='a b'\\nuser.timeout='8'")
    {'timeout': ['8'], 'find-links': ['a', 'b']}
    """
    found: dict[str, tuple[int, list[str]]] = {}
    for line in listed.splitlines():
        key, equals, value = line.partition("=")
        scope, _, name = key.rpartition(".")
        if not equals or scope not in SCOPES:
            continue
        rank = SCOPES.index(scope)
        if rank >= found.get(name, (0,))[0]:
            found[name] = rank, str(ast.literal_eval(value)).split()
    return {name: values for name, (_, values) in found.items()}


def for_uv(
    settings: dict[str, list[str]], environ: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """uv's options and variables for the same registries as pip's settings name.

    What `environ` says to uv already stays; with an address of its own, uv gets none of
    pip's.

    >>> for_uv({"index-url": ["https://a"], "timeout": ["9"]}, {})
    (['--index-url', 'https://a'], {'UV_HTTP_TIMEOUT': '9'})
    """
    variables = {
        variable: settings[name][0]
        for name, variable in VARIABLES.items()
        if settings.get(name) and variable not in environ
    }
    if any(name.startswith(("UV_INDEX", "UV_DEFAULT_INDEX")) for name in environ):
        return [], variables
    words = []
    for name in REGISTRIES:
        for value in settings.get(name, ()):
            words += [f"--{name}", value]
    if settings.get("no-index", ["0"])[0].lower() in ("1", "true", "yes", "on"):
        words.append("--no-index")
    if "extra-index-url" in settings:  # the version is what counts, as for pip
        words += ["--index-strategy", "unsafe-best-match"]
    return words, variables
