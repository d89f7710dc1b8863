"""The table of words: each term once, each with one sentence."""

from labkit.common.words import TERMS, WORDS, explain, markdown


def test_each_term_stands_once_and_no_term_is_another_ones_forbidden_word():
    assert len(TERMS) == len(WORDS)
    assert not {word for term in WORDS for word in term.instead} & TERMS.keys()


def test_a_line_is_one_sentence():
    for term in WORDS:
        assert term.line[0].isupper() and term.line.endswith("."), term.name
        assert ". " not in term.line, term.name


def test_the_page_has_a_row_a_term():
    rows = markdown().splitlines()[2:]
    assert len(rows) == len(WORDS)
    assert [row.split(" | ")[0][2:].lower() for row in rows] == sorted(
        name.lower() for name in TERMS
    )
    assert explain("scale").startswith("scale (S): The distance")
