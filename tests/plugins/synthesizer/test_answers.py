import pytest

from sandmle.core.types.synthesis import Development, Strategy
from sandmle.plugins.synthesizer.answers import parse_answer
from sandmle.plugins.synthesizer.tables import FaultError

SCRIPT = "x = 1  # a script\n" * 20


@pytest.mark.parametrize(
    "reply",
    [
        '{"script": SCRIPT}',
        '```json\n{"script": SCRIPT}\n```',
        'Here it is, as {promised}:\n\n```json\n{"script": SCRIPT}\n```\nGood luck {all}!',
        'I think {"of": "this"} first.\n```\n{"script": SCRIPT}\n```',
        '<think>{"script": "no"}</think>{"script": SCRIPT}',
        'The answer: {"script": SCRIPT} - and that is all.',
        '{"script": SCRIPT, "comment": "extra fields are dropped"}',
        '<think>one</think> and <think>another {"x": 1}</think>\n```json\n{"script": SCRIPT}\n```',
        '````markdown\n```json\n{"script": SCRIPT}\n```\n````',
        '```json\n{"script": "no"}\n```\nOr better:\n```json\n{"script": SCRIPT, "tool": {"nested": [1, {}]}}\n```',
        '{"script": "```python\\nprint(1)\\n```' + SCRIPT.replace("\n", "\\n") + '"}',
    ],
)
def test_the_object_is_found_wherever_it_stands(reply: str) -> None:
    import json

    answer = parse_answer(reply.replace("SCRIPT", json.dumps(SCRIPT)), Development)
    assert answer.script.endswith(SCRIPT)


def test_line_breaks_inside_strings_are_taken() -> None:
    assert parse_answer('{"script": "' + SCRIPT + '"}', Development).script == SCRIPT


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        ("", "no JSON object"),
        ("<think>Hm {</think> I cannot\nhelp with that.", "no JSON object .it begins with 'I cannot help with that.'"),
        ("[1, 2]", "no JSON object"),
        ('{"script": "cut off', "no JSON object"),
        ("{" * 100_000, "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"script": "too short"}', "script: String should have at least 200 characters"),
        ('{"Script": "x"}', "script: Field required"),
        ('{"script": "half \\ud800 a pair' + "x" * 300 + '"}', "surrogate pair"),
        ('{"script": ' + "9" * 5000 + "}", "no JSON object"),
        ("<think>" * 100_000, "no JSON object"),
        ("</think>" + "<think>" * 100_000, "no JSON object"),
        ("```json\n" * 100_000, "no JSON object"),
        ("x" * (2**20 + 1), "at most 1048576 are read"),
        ('{"script": ["print(1)"]}', "script: Input should be a valid string"),
        ('{"answer": {"script": "print(1)"}}', "script: Field required"),
        ('{"script": NaN}', "script: Input should be a valid string"),
    ],
)
def test_what_cannot_be_used_is_said_in_words(reply: str, complaint: str) -> None:
    with pytest.raises(FaultError, match=complaint):
        parse_answer(reply, Development)


def test_a_long_list_of_complaints_is_cut() -> None:
    with pytest.raises(FaultError, match="and 6 more"):
        parse_answer('{"title": 3}', Strategy)
