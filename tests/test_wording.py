"""The words that are not used are found, and everyday sentences pass."""

import pytest
import wording


@pytest.mark.parametrize("phrase", wording.PHRASES, ids=lambda p: p.instead)
def test_a_phrase_is_found_and_its_neighbour_passes(phrase):
    assert list(phrase.places(phrase.found)) == [1]
    assert list(phrase.places(phrase.found.replace(" ", "\n"))) != []
    assert not any(list(other.places(phrase.passes)) for other in wording.PHRASES)
    assert not any(list(other.places(phrase.instead)) for other in wording.PHRASES)


@pytest.mark.parametrize("name", wording.IDENTIFIERS)
def test_an_identifier_is_found_and_prose_passes(name):
    new = wording.IDENTIFIERS[name]
    uses = (
        f"def {name}(): pass",
        f"x = {name}",
        f"x.{name}()",
        f"from a import {name}",
        f"f = lambda {name}: 0",
    )
    for source in uses:
        assert list(wording.identifiers(source)) == [(1, name, new)]
    assert not list(wording.identifiers(f'"""About {name}."""\nx = {new}'))


@pytest.mark.parametrize("name", wording.FUNCTIONS)
def test_an_everyday_word_names_no_function(name):
    assert list(wording.identifiers(f"def {name}(): pass"))
    assert list(wording.identifiers(f'text = f"{{x.{name}()}}"'))
    assert not list(wording.identifiers(f"{name} = 1"))


def test_the_command_names_file_line_and_what_to_write(tmp_path, capsys):
    path = tmp_path / "page.md"
    path.write_text("Fine.\nThe layer in sight.\n", "utf-8")
    assert wording.main([str(path)]) == 1
    assert "page.md:2: " in (said := capsys.readouterr().out) and "shown" in said
    path.write_text("The layer shown.\n", "utf-8")
    assert wording.main([str(path)]) == 0


def test_the_project_uses_its_words(capsys):
    assert wording.main([]) == 0, capsys.readouterr().out
