from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def drawn(rewards):
    from learning_parts.plot import svg

    steps = [{"step": number, "reward": value} for number, value in enumerate(rewards, 1)]
    text = svg({"grpo & lora": {"steps": steps, "validations": [{"step": 0, "reward": 0.2}]}})
    return ElementTree.fromstring(text)


def test_every_step_and_every_validation_is_drawn():
    root = drawn([0.2, 0.4, None, 0.6])
    radii = [one.get("r") for one in root.iter(f"{SVG}circle")]
    assert (radii.count("2"), radii.count("5")) == (3, 1)


def test_a_rising_reward_is_drawn_as_a_rising_line():
    [line] = drawn([0.1, 0.3, 0.5, 0.9]).iter(f"{SVG}polyline")
    heights = [float(point.split(",")[1]) for point in line.get("points").split()]
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 4


def test_a_run_without_a_step_is_drawn_empty():
    [line] = drawn([]).iter(f"{SVG}polyline")
    assert line.get("points") == ""
