"""uv asks the registries that pip is set up for."""

import pytest

from labkit.common.uv_options import for_uv, pip_config, pip_settings

LISTED = """\
:env:.extra-index-url='https://b/simple'
:env:.timeout='7'
global.cert='ca.crt'
global.extra-index-url='https://unused/simple'
global.find-links='wheels\\nmore'
global.index-url='https://a/simple'
global.timeout='9'
site.trusted-host='a'
"""


def test_later_scopes_win_and_lists_stay_lists():
    assert pip_settings(LISTED) == {
        "extra-index-url": ["https://b/simple"],
        "timeout": ["7"],
        "cert": ["ca.crt"],
        "find-links": ["wheels", "more"],
        "index-url": ["https://a/simple"],
        "trusted-host": ["a"],
    }


def test_uv_gets_the_same_addresses_and_weighs_them_alike():
    options, variables = for_uv(pip_settings(LISTED), {})
    pairs = set(zip(options[::2], options[1::2], strict=True))
    assert pairs == {
        ("--index-url", "https://a/simple"),
        ("--extra-index-url", "https://b/simple"),
        ("--find-links", "wheels"),
        ("--find-links", "more"),
        ("--trusted-host", "a"),
        ("--index-strategy", "unsafe-best-match"),
    }
    assert variables == {"SSL_CERT_FILE": "ca.crt", "UV_HTTP_TIMEOUT": "7"}


@pytest.mark.parametrize(("value", "options"), [("1", ["--no-index"]), ("0", [])])
def test_no_registry_is_asked_where_pip_may_ask_none(value, options):
    assert for_uv({"no-index": [value]}, {}) == (options, {})


@pytest.mark.parametrize("name", ["UV_INDEX", "UV_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_what_uv_has_been_given_stays(name):
    environ = {name: "https://c", "UV_HTTP_TIMEOUT": "1", "SSL_CERT_FILE": "mine"}
    assert for_uv(pip_settings(LISTED), environ) == ([], {})


def test_pip_is_asked_as_it_is_set_up(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror/simple")
    monkeypatch.setenv("PIP_QUIET", "2")  # as in .ci/run
    assert pip_settings(pip_config())["index-url"] == ["https://mirror/simple"]


def test_without_pip_there_are_no_settings(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert for_uv(pip_settings(pip_config()), {}) == ([], {})
