"""Write the README's Binder and Colab badges from the repository's address.

The address is `Repository` under [project.urls] in pyproject.toml. Without one, the
same place in the README says how to open a fork of one's own.

    python binder/badges.py
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- badges: python binder/badges.py -->", "<!-- end of badges -->"
FIRST_NOTEBOOK = "notebooks/00_the_bench.ipynb"
BRANCH = "main"
BINDER = "https://mybinder.org"
COLAB = "https://colab.research.google.com"
FORK = """\
To open the lab in a browser without installing anything, fork this repository on
GitHub and put your fork's owner and name into one of these addresses:

- Binder: `{binder}`
- Colab: `{colab}`
"""


def addresses(owner_and_name: str, notebook: str = FIRST_NOTEBOOK) -> tuple[str, str]:
    """Where Binder and Colab open a notebook of the GitHub repository "OWNER/NAME".

    >>> addresses("ada/lab", "notebooks/00_x.ipynb")[0]
    'https://mybinder.org/v2/gh/ada/lab/main?labpath=notebooks%2F00_x.ipynb'
    """
    path = notebook.replace("/", "%2F")
    return (
        f"{BINDER}/v2/gh/{owner_and_name}/{BRANCH}?labpath={path}",
        f"{COLAB}/github/{owner_and_name}/blob/{BRANCH}/{notebook}",
    )


def section(urls: dict[str, str]) -> str:
    """The Markdown that belongs between the README's two marks.

    urls: the table [project.urls]. Raises ValueError if its Repository is no address
    on GitHub.
    """
    if "Repository" not in urls:
        binder, colab = addresses("OWNER/NAME")
        return FORK.format(binder=binder, colab=colab)
    match = re.fullmatch(
        r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?", urls["Repository"]
    )
    if not match:
        raise ValueError(
            f"Repository in pyproject.toml is {urls['Repository']!r}: write it as "
            "https://github.com/OWNER/NAME"
        )
    binder, colab = addresses(match[1])
    return (
        f"[![Open in Binder]({BINDER}/badge_logo.svg)]({binder})\n"
        f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({colab})\n"
    )


def with_badges(readme: str, urls: dict[str, str]) -> str:
    """The README's text with its section between the marks made anew.

    Raises ValueError if the marks are missing.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md lacks the lines {BEGIN!r} and {END!r}: add them")
    return f"{before}{BEGIN}\n{section(urls)}{END}{after}"


def project_urls(root: Path = ROOT) -> dict[str, str]:
    """The table [project.urls] of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_badges(readme.read_text("utf-8"), project_urls()), "utf-8")
