"""The browser that tests drive."""

import os
import warnings

import pytest

from bench import browser


def need_chromium():
    """Skip with a warning without a browser, or fail where CI is set."""
    if browser.chromium():
        return
    sentence = "the browser tests need chromium, and there is none: install it"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    warnings.warn(sentence, stacklevel=2)
    pytest.skip(sentence)
