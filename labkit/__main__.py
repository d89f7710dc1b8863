"""`python -m labkit`: lessons, networks, data. `python -m labkit lab`: open the lab.

Runs with nothing installed, and is read by any Python 3: the first thing it does is to
refuse one that is too old or too new.
"""

import sys

PYTHONS = ((3, 11), (3, 12), (3, 13))
WRONG_PYTHON = (
    "This lab needs Python 3.11, 3.12 or 3.13, and {} is {}.{}: name another one, as "
    'in "make lab PYTHON=python3.12" or "python3.12 -m labkit lab"'
)


def main(arguments=None):
    """Install and open the lab, or do what `command_line` offers.

    arguments: as after `python -m labkit`; of this process, where there are none.
    """
    version = sys.version_info[:2]
    if version not in PYTHONS:
        sys.exit(WRONG_PYTHON.format(sys.executable, *version))
    from labkit.common import installation, start

    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] and words[0] in start.COMMANDS:
        start.main(words)
        return
    try:
        from labkit.train.commands import command_line
    except ModuleNotFoundError as error:
        if error.name.startswith("labkit"):
            raise
        sys.exit(
            f"{sys.executable} has no {error.name}: `python -m labkit setup` installs "
            f"everything, then start {installation.python_of('.venv')} -m labkit"
        )
    command_line.main(words)


if __name__ == "__main__":
    main()
