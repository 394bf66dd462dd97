"""Captions say what a person looks like, and nothing else."""
import re
from dataclasses import replace

import numpy as np
import pytest

from humanbench.minihuman.captions import caption
from humanbench.minihuman.person import dye, make_person

COLOURS = {'grey': 'gray', 'navy': 'dark blue', 'beige': 'tan'}


def said(person, seed: int = 0, least_words: int = 0) -> str:
    return caption(person, np.random.default_rng(seed), least_words)


def names(text: str, colour: str) -> bool:
    return any(re.search(rf'\b{x}\b', text) for x in (colour, COLOURS.get(colour, colour)))


@pytest.mark.parametrize('seed', range(40))
def test_a_caption_tells_what_is_worn(seed):
    person = make_person(seed)
    t, texts = person.traits, [said(person, i).lower() for i in range(6)]
    everything = [said(person, i, 60).lower() for i in range(6)]
    for text in texts + everything:
        assert names(text, t.coat_colour if t.coat else t.upper_colour) and names(text, t.shoe_colour)
        assert names(text, t.lower_colour) or t.lower in ('dress', 'jumpsuit')
        assert ('bald' in text or 'no hair' in text) == (t.hair == 'bald')
        assert t.hair == 'bald' or f'{t.hair} {t.hair_colour} hair' in text
        assert not re.search(r'\b(she|lady|woman|girl)\b' if t.gender == 'male' else r'\b(he|man|boy)\b', text)
    for text in everything:
        assert ('no bag' in text) == (t.bag == 'none') and ('no hat' in text) == (not t.hat)
        assert t.bag == 'none' or names(text, dye(person, 'bag'))
    assert any('bag' in x or 'purse' in x or 'pack' in x or 'rucksack' in x for x in texts) or t.bag == 'none'


def test_captions_differ_in_words_and_depend_on_the_draw_alone():
    person = make_person(3)
    texts = [said(person, i) for i in range(20)]
    assert texts == [said(person, i) for i in range(20)] and len(set(texts)) > 12
    assert len({x.split()[0] for x in texts}) >= 3


def test_other_clothes_other_captions():
    """The negative control: what is told follows the traits."""
    person = make_person(3)
    other = replace(person, traits=replace(person.traits, shoe_colour='red', hair='bald'))
    assert all(said(person, i) != said(other, i) for i in range(20))


@pytest.mark.parametrize('least', [0, 23, 30])
def test_length_and_form(least):
    texts = [said(make_person(i), i, least) for i in range(200)]
    lengths = [len(x.split()) for x in texts]
    assert min(lengths) >= max(10, least) and max(lengths) < 70
    for text in texts:
        assert re.fullmatch(r"([A-Z][a-z ,-]*\.)( [A-Z][a-z ,-]*\.)*", text), text
        assert not re.search(r'\b(a [aeiou]|an [^aeiou])', text) and '  ' not in text
