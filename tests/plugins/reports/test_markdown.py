"""The few marks become tags; everything else stays text."""

import re
from html import unescape

from hypothesis import given, settings
from hypothesis import strategies as st

from sandmle.plugins.reports.markdown import render

OURS = re.compile(r'</?(?:p|h4|ul|li|pre|code|strong|table|tr|td)>|<th scope="col">|</th>|<div class="scroll">|</div>')


def test_headings_lists_tables_code_and_bold_are_rendered():
    text = "# Task\n\nSome **bold** and `a*b*`.\n\n- one\n- two\n\n"
    text += "| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx < 1\n```"
    assert render(text).split("\n") == [
        "<h4>Task</h4>",
        "<p>Some <strong>bold</strong> and <code>a*b*</code>.</p>",
        "<ul><li>one</li><li>two</li></ul>",
        '<div class="scroll"><table><tr><th scope="col">a</th><th scope="col">b</th></tr><tr><td>1</td><td>2</td></tr>'
        "</table></div>",
        "<pre>x &lt; 1</pre>",
    ]


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab<>&\"'`*#-|!()[]{} \n\t\\/:=1.")) | st.text())
def test_whatever_the_text_only_our_own_tags_come_out(text):
    rest = OURS.sub("", str(render(text)))
    assert "<" not in rest
    assert ">" not in rest


@settings(deadline=None)
@given(st.text(alphabet="abc <>&\"'", max_size=60))
def test_plain_text_is_kept_word_for_word(text):
    shown = " ".join(unescape(OURS.sub(" ", str(render(text)))).split())
    assert shown == " ".join(text.split())
