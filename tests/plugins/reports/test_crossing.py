"""Models by scaffolds on the page: the heat map, the table, and what is marked."""

import tomli_w

from sandmle.core.types.score import Medal
from sandmle.plugins.reports.build import build
from sandmle.plugins.reports.page import gather

LESSONS = [{"method": "sft", "scaffolds": ["codeact", "react"]}, {"method": "grpo", "scaffolds": ["react"]}]


def matrix_dir(records, root, played, name="grpo", scaffolds=("react", "codeact")):
    root.mkdir()
    models = [
        {"name": "base", "model": "offline/agent-weak", "lessons": []},
        {"name": name, "model": "local/grpo", "lessons": LESSONS},
    ]
    families = {"t-one": "rings", "t-two": "dates"}
    record = {"models": models, "scaffolds": scaffolds, "group_size": 1, "families": families}
    (root / "matrix.toml").write_text(tomli_w.dumps(record))
    for (model, scaffold), medals in played.items():
        episodes = [
            records.episode(task, 0, medal, scaffold=scaffold) for task, medal in zip(families, medals, strict=True)
        ]
        records.run(root / "runs" / model / scaffold, episodes)
    return root


def html_of(matrix):
    return build(gather(None, [], made_at="now", version="0", matrix_dir=matrix)).html.decode()


def test_gains_trainings_and_cells_that_were_not_run_are_told_apart(records, tmp_path):
    played = {
        ("base", "react"): (Medal.NONE, Medal.NONE),
        ("grpo", "react"): (Medal.SILVER, Medal.SILVER),
        ("base", "codeact"): (Medal.NONE, None),
    }
    html = html_of(matrix_dir(records, tmp_path / "m", played))
    # HumanRank is .25 without a medal and .75 with silver.
    assert "+0.500 (+200 %) *" in html
    assert "above zero" in html
    assert html.count('class="taught"') == 2
    assert "sft: codeact, react; grpo: react" in html
    assert "no training on record" in html
    assert '<td class="quiet" colspan="9">not run</td>' in html
    assert "This matrix is incomplete: 6 of 8 episodes are recorded." in html
    assert "NaN" not in html.partition("<table class")[2]


def test_a_name_from_a_record_is_text_and_nothing_else(records, tmp_path):
    html = html_of(matrix_dir(records, tmp_path / "m", {}, name="<script>alert(1)</script>"))
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_nothing_of_a_matrix_is_cut_at_the_width_of_a_desktop(records, browsed, tmp_path):
    built_in = ("react", "openai_tools", "single_turn", "mle_agent", "codeact", "aide", "aira")
    scaffolds = (*built_in, "demo-agent", "frugal", "verbose")
    played = {
        (name, scaffold): (Medal.GOLD if name == "grpo" else Medal.NONE, Medal.NONE)
        for name in ("base", "grpo")
        for scaffold in scaffolds
    }
    html = html_of(matrix_dir(records, tmp_path / "m", played, scaffolds=scaffolds))
    ruler = (
        "const boxes = [...document.querySelectorAll('#scaffolds .scroll')];"
        "document.title = boxes.map(box => box.scrollWidth - box.clientWidth).join(' ');"
    )
    assert "<title>0 0 0</title>" in browsed(html, ruler, width=1400)
