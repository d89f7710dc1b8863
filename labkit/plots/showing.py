"""How pictures reach the page: one lock, one resolution, a PNG with its alt text."""

import base64
from threading import RLock

DPI = 100

# One thread at a time edits models and draws: matplotlib's text caches are shared.
LOCK = RLock()


def bundle(png: bytes, alt: str) -> tuple[dict, dict]:
    """Jupyter's data and metadata of a PNG: the alt text is in both."""
    data = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    return data, {"image/png": {"alt": alt}}
