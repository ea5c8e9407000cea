"""Every domain has what any rule family may ask of it, and words that tell its parts apart."""

import json
from collections import Counter

import pytest

from sandmle.core.engine.mixes import MIXES
from sandmle.plugins.llms.offline.roles.domain_services import SECTORS
from sandmle.plugins.llms.offline.roles.domain_stories import STORIES
from sandmle.plugins.llms.offline.roles.domains import Domain
from sandmle.plugins.llms.offline.roles.families.remarks import BAD, GOOD
from sandmle.plugins.llms.offline.roles.families.text import FILLER
from sandmle.plugins.llms.offline.roles.player import play
from sandmle.plugins.llms.offline.roles.strategist import ALL_DOMAINS, DOMAINS
from sandmle.plugins.llms.offline.roles.targets import plural

from .conftest import conversation, make_dossier, make_seed

LATER = [domain for domain in ALL_DOMAINS if domain not in DOMAINS]
"""Those that no draft is bound to by its digest."""


def test_every_sector_has_five_domains_or_more() -> None:
    counts = Counter(SECTORS[domain.name] for domain in ALL_DOMAINS)
    assert {*counts} == set(MIXES["paper"].sectors)
    assert min(counts.values()) >= 5


def test_what_names_a_domain_names_no_other() -> None:
    for phrases in (
        [domain.name for domain in ALL_DOMAINS],
        [domain.row for domain in ALL_DOMAINS],
        [domain.purpose for domain in ALL_DOMAINS],
        [domain.picture for domain in ALL_DOMAINS],
        [value.title for domain in ALL_DOMAINS for value in domain.values],
        [one.title for domain in ALL_DOMAINS for one in (domain.binary, domain.several)],
        [story.background for story in STORIES.values()],
        [story.sound for story in STORIES.values()],
    ):
        assert [phrase for phrase, count in Counter(phrases).items() if count > 1] == []


@pytest.mark.parametrize("domain", ALL_DOMAINS, ids=lambda domain: str(domain.name))
def test_a_domain_has_what_rule_families_ask_of_it(domain: Domain) -> None:
    assert len(domain.measures) >= 8
    assert len(domain.angles) == 2
    assert len(domain.values) >= 2
    assert all(value.middle >= 4 * value.spread > 0 for value in domain.values)
    assert all(one.low < one.high for one in domain.measures)
    assert len(domain.binary.classes) == 2
    assert len({*domain.several.classes}) == len(domain.several.classes) == len(domain.levels) == 4
    assert [len(bag) for _, bag in domain.topics] == [8, 8, 8, 8]


@pytest.mark.parametrize("domain", ALL_DOMAINS, ids=lambda domain: str(domain.name))
def test_the_columns_of_a_domain_have_names_of_their_own(domain: Domain) -> None:
    measured = [one.name for one in (*domain.measures, *domain.angles)]
    asked = [one.name for one in (*domain.values, domain.binary, domain.several)]
    names = [*measured, *asked, domain.code[0], domain.date[0], "text", "image", "sound", "series", "priority"]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.parametrize("domain", LATER, ids=lambda domain: str(domain.name))
def test_a_word_of_a_topic_means_that_topic_alone(domain: Domain) -> None:
    named = [word for _, bag in domain.topics for word in bag]
    assert [word for word, count in Counter(named).items() if count > 1] == []
    meant = {*GOOD, *BAD, *FILLER, "not", "never", "hardly", "longer"}
    assert {*named} & meant == set()
    assert all(word.isascii() and word.isalpha() and word.islower() for word in named)


@pytest.mark.parametrize(
    ("noun", "many"),
    [("summary", "summaries"), ("survey", "surveys"), ("dish", "dishes"), ("batch", "batches"), ("note", "notes")],
)
def test_a_plural_is_spelt_as_its_noun_asks(noun: str, many: str) -> None:
    assert plural(noun) == many


def test_titles_of_drafts_with_a_difficulty_have_plurals_as_they_are_spelt() -> None:
    titles = []
    for index in range(200):
        seed = make_seed("text", "classification", difficulty="easy", sector="science")
        titles.append(json.loads(play(conversation("data-strategist", make_dossier(seed, index=index))))["title"])
    assert [title for title in titles if "entrys" in title] == []
