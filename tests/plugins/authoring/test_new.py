"""New packages get names that work, and a name that would not is refused in words."""

import pytest

from sandmle.core.errors import UsageError
from sandmle.core.hooks.manager import load_plugins
from sandmle.plugins.authoring.kinds import KINDS
from sandmle.plugins.authoring.naming import Names, kind_of, names_for
from sandmle.plugins.authoring.writing import write_package

SCAFFOLD = kind_of("scaffold")


@pytest.fixture(scope="module")
def registry():
    return load_plugins().registry


def test_one_word_names_package_module_and_class(registry):
    assert names_for("demo-agent", SCAFFOLD, registry) == Names(
        name="demo-agent", module="demo_agent", class_name="DemoAgentScaffold"
    )
    assert names_for("my-scaffold", SCAFFOLD, registry).class_name == "MyScaffold"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("demo agent", "'demo-agent' would do"),
        ("Demo-Agent", "'demo-agent' would do"),
        ("demo_agent", "'demo-agent' would do"),
        ("demo--agent", "'demo-agent' would do"),
        ("-demo", "'demo' would do"),
        ("../demo", "'demo' would do"),
        ("7up", "take lower case letters"),
        ("", "take lower case letters"),
        ("żółw", "take lower case letters"),
        ("demo\n", "'demo' would do"),
        ("a" * 51, "is too long"),
        ("class", "is a word of Python's own"),
        ("match", "is a word of Python's own"),
        ("json", "is reserved"),
        ("sandmle", "is reserved"),
        ("test", "is reserved"),
        ("numpy", "a module 'numpy' is installed already"),
        ("react", "a scaffold named 'react' is registered already by 'sandmle'"),
    ],
)
def test_a_name_that_would_not_work_is_refused_in_words(name, complaint, registry):
    with pytest.raises(UsageError) as caught:
        names_for(name, SCAFFOLD, registry)
    assert complaint in str(caught.value)


def test_a_name_is_taken_within_its_kind_only(registry):
    assert names_for("gold", kind_of("scaffold"), registry).module == "gold"
    with pytest.raises(UsageError, match="a milestone named 'gold' is registered already"):
        names_for("gold", kind_of("milestone"), registry)


@pytest.mark.parametrize(
    ("word", "complaint"),
    [("scafold", "did you mean 'scaffold'?"), ("", "known: benchmark"), ("x", "known: benchmark")],
)
def test_a_kind_that_there_is_not_is_refused_with_the_nearest(word, complaint):
    with pytest.raises(UsageError) as caught:
        kind_of(word)
    assert complaint in str(caught.value)


def test_every_registry_kind_has_a_word(registry):
    assert {one.kind for one in registry} <= {kind.registered for kind in KINDS}
    assert len(KINDS) == 11


def test_what_exists_is_left_alone(tmp_path, registry):
    names = names_for("demo-agent", SCAFFOLD, registry)
    (tmp_path / "demo-agent").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        write_package(SCAFFOLD, names, tmp_path)
    assert list((tmp_path / "demo-agent").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="this is a file"):
        write_package(SCAFFOLD, names, tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo-agent", "file"]


def test_the_program_writes_a_package_and_lists_its_files(tmp_path, sandmle_json, sandmle):
    said = sandmle_json("plugins", "new", "tracker", "note-book", "--into", tmp_path / "new")
    assert said["package"] == str(tmp_path / "new" / "note-book")
    held = [str(path) for path in sorted((tmp_path / "new" / "note-book").rglob("*")) if path.is_file()]
    assert said["files"] == held
    assert "did you mean 'tracker'?" in sandmle("plugins", "new", "traker", "x", code=2).stderr
