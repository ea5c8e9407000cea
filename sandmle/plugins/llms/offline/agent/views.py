"""The views of the data that an agent's cell makes: features of tables, texts, pictures and signals. Pure."""

from sandmle.plugins.llms.offline.agent.facts import Facts


def views_of(facts: Facts, *, rich: bool) -> list[tuple[str, str]]:
    """Names of the views of the data that a cell makes, each with the code that makes it.

    Args:
        facts: of the task.
        rich: several views, or the plain one alone.
    """
    if facts.sound_column or facts.series_column:
        return _signal_views(facts, rich)
    if facts.picture_column and facts.several:
        return _square_views(facts, rich)
    if facts.picture_column:
        return _picture_views(facts.picture_column, rich)
    if facts.text_columns:
        return _text_views(list(facts.text_columns), rich)
    views = [("plain", 'views["plain"] = plain_features(train, test, numeric, categories)')]
    if rich:
        views.append(
            (
                "rich",
                f"rich, rich_test = rich_features(train, test, numeric, {{**periods, **{dict(facts.periods)!r}}})\n"
                'views["rich"] = (np.hstack([rich, views["plain"][0]]), np.hstack([rich_test, views["plain"][1]]))',
            )
        )
    if rich and facts.edges and not facts.several:
        views += _linked_views(facts.edges)
    return views


def _signal_views(facts: Facts, rich: bool) -> list[tuple[str, str]]:
    column, reader = (facts.sound_column, "read_sounds") if facts.sound_column else (facts.series_column, "read_series")
    reading = (
        f"signals, signals_test = ({reader}(table[{column!r}].astype(str).tolist()) for table in (train, test))\n"
        'views["pieces"] = (plain_signal(signals), plain_signal(signals_test))'
    )
    views = [("pieces", reading)]
    if rich and not (facts.several and facts.regression):
        views.append(("shapes", 'views["shapes"] = (rich_signal(signals), rich_signal(signals_test))'))
    if facts.series_column or facts.several:
        # Readings one by one, for what depends on their place.
        views.append(("dense", 'views["dense"] = (signals, signals_test)'))
    if rich and facts.several and facts.regression:
        views.append(("near", 'views["near"] = around_gap(signals, signals_test, reach=400, order=32)'))
    return views


def _square_views(facts: Facts, rich: bool) -> list[tuple[str, str]]:
    column = facts.picture_column
    native = (
        'files = find_files("data")\n'
        f"pixels = native_pictures(train[{column!r}].astype(str).tolist(), files)\n"
        f"pixels_test = native_pictures(test[{column!r}].astype(str).tolist(), files)\n"
        'views["native"] = (pixels, pixels_test)'
    )
    # What is to be restored lies at one place; labels may lie anywhere, so that shapes tell more than pixels.
    return [("native", native), *([] if facts.regression else _picture_views(column, rich))]


def _linked_views(edges: str) -> list[tuple[str, str]]:
    path = f"data/{edges}"
    linked = f'pairs = read_links(train, test, {path!r})\nlinked, linked_test = linked_features(pairs, views["plain"])'
    told = "told, told_test = neighbours_answers(pairs, target, len(classes), len(train) + len(test))"
    both = 'views["dense"] = (np.hstack([linked, told]), np.hstack([linked_test, told_test]))'
    return [("dense", f"{linked}\n{told}\n{both}")]


_BESIDE_TABLE = """
if numeric or categories:
    table, table_test = plain_features(train, test, numeric, categories)
    views = {{name: (np.hstack([a, table]), np.hstack([b, table_test])) for name, (a, b) in views.items()}}"""


def _picture_views(column: str, rich: bool) -> list[tuple[str, str]]:
    loading = (
        'files = find_files("data")\n'
        f"pictures = read_pictures(train[{column!r}].astype(str).tolist(), files)\n"
        f"pictures_test = read_pictures(test[{column!r}].astype(str).tolist(), files)\n"
        'views["pixels"] = (pixel_features(pictures), pixel_features(pictures_test))'
    )
    if not rich:
        return [("pixels", loading + _BESIDE_TABLE.replace("{{", "{").replace("}}", "}"))]
    shapes = 'views["shapes"] = (shape_features(pictures), shape_features(pictures_test))'
    return [("pixels", loading), ("shapes", shapes + _BESIDE_TABLE.replace("{{", "{").replace("}}", "}"))]


def _text_views(columns: list[str], rich: bool) -> list[tuple[str, str]]:
    loading = f"texts, texts_test = texts_of(train, {columns!r}), texts_of(test, {columns!r})\n"
    words = (
        'views["words"] = word_features(texts, texts_test)\n'
        "if numeric or categories:\n"
        "    table, table_test = plain_features(train, test, numeric, categories)\n"
        "    table, table_test = np.exp(-np.abs(table)), np.exp(-np.abs(table_test))\n"
        '    views["words"] = tuple(\n'
        "        sparse.hstack([a, b]).tocsr() for a, b in zip(views['words'], (table, table_test))\n"
        "    )"
    )
    if not rich:
        return [("words", loading + words)]
    dense = (
        "dense, dense_test = dense_features(texts, texts_test)\n"
        "table, table_test = plain_features(train, test, numeric, categories)\n"
        'views["dense"] = (np.hstack([dense, table]), np.hstack([dense_test, table_test]))'
    )
    grams = 'views["grams"] = gram_features(texts, texts_test)'
    return [("words", loading + words), ("grams", grams), ("dense", dense)]
