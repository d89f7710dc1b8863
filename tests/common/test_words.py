"""The table of words: each term once, each with one sentence."""

from labkit.common.words import TERMS, WORDS


def test_each_term_stands_once_and_no_term_is_another_ones_forbidden_word():
    assert len(TERMS) == len(WORDS)
    assert not {word for term in WORDS for word in term.instead} & TERMS.keys()


def test_a_line_is_one_sentence():
    for term in WORDS:
        assert term.line[0].isupper() and term.line.endswith("."), term.name
        assert ". " not in term.line, term.name
