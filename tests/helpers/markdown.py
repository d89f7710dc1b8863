"""What several tests read in tables of results."""


def cells(table: str) -> list[list[str]]:
    """The rows of a Markdown table, without its head."""
    return [
        [c.strip() for c in line.split("|")[1:-1]] for line in table.split("\n")[2:]
    ]
