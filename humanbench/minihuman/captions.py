"""Sentences about what a person looks like: the language of text-to-image re-identification."""

from collections.abc import Sequence

import numpy as np

from humanbench.minihuman.person import Person, dye

LEAST_DETAIL = 0.6  # how often a thing beside the clothes is mentioned, where a caption may be short

_COLOURS = {'grey': ('grey', 'gray'), 'navy': ('navy', 'dark blue'), 'beige': ('beige', 'tan')}
_UPPERS = {
    'tshirt': ('t-shirt', 'tee shirt'), 'shirt': ('shirt', 'button up shirt'), 'sweater': ('sweater', 'pullover'),
    'vest': ('tank top', 'sleeveless top'), 'tight': ('tight top', 'close fitting top'),
    'jacket': ('jacket', 'zipped jacket'), 'cotton': ('padded jacket', 'down jacket'), 'suit': ('suit', 'blazer'),
    'dress': ('dress', 'gown'), 'jumpsuit': ('jumpsuit', 'overall'),
}  # fmt: skip
_LOWERS = {
    'trousers': ('trousers', 'pants'), 'jeans': ('jeans', 'denim pants'), 'tight_trousers': ('leggings', 'tight pants'),
    'shorts': ('shorts', 'short pants'), 'skirt': ('skirt', 'knee length skirt'),
    'short_skirt': ('short skirt', 'mini skirt'),
}  # fmt: skip
_SHOES = {
    'leather': ('leather shoes', 'dress shoes'), 'sports': ('sneakers', 'sports shoes'), 'boots': ('boots',),
    'cloth': ('canvas shoes', 'cloth shoes'), 'casual': ('casual shoes', 'shoes'), 'sandals': ('sandals',),
}  # fmt: skip
_BAGS = {
    'backpack': ('backpack', 'rucksack'), 'handbag': ('handbag', 'purse'), 'shoulder_bag': ('shoulder bag',),
    'messenger_bag': ('messenger bag', 'cross body bag'), 'plastic_bag': ('plastic bag', 'shopping bag'),
}  # fmt: skip
_PATTERNS = {'stripes': ('striped',), 'plaid': ('plaid', 'checked'), 'splice': ('two tone', 'two colored')}
_PEOPLE = {
    ('female', 'child'): ('girl',), ('male', 'child'): ('boy',), ('female', 'adult'): ('woman', 'lady'),
    ('male', 'adult'): ('man', 'gentleman'), ('female', 'old'): ('elderly woman', 'old lady'),
    ('male', 'old'): ('elderly man', 'old man'),
}  # fmt: skip
_BUILDS = {'thin': 'slim', 'normal': 'average', 'fat': 'heavy'}
_OPENINGS = (
    '{a_who} with {hair} wearing {clothes}.',
    'the {who} wears {clothes}. {Subject} has {hair}.',
    'this {who} is dressed in {clothes} and has {hair}.',
    'wearing {clothes}, the {who} has {hair}.',
    '{a_who} who has {hair} is seen in {clothes}.',
)


def caption(person: Person, rng: np.random.Generator, least_words: int = 0) -> str:
    """A description of a person in one to a few sentences, of what can be seen in every picture of them.

    Clothes and hair are always in it, things carried and worn beside them often; synonyms and the order are drawn.

    Args:
        person: whom to describe.
        rng: decides the words.
        least_words: tell more, until it has so many.
    """
    return _Speaker(person, rng).say(least_words)


class _Speaker:
    """Words for one person."""

    def __init__(self, person: Person, rng: np.random.Generator) -> None:
        self.person, self.traits, self.rng = person, person.traits, rng
        self.subject = 'she' if person.traits.gender == 'female' else 'he'

    def say(self, least_words: int) -> str:
        """The whole caption."""
        who = self.one(_PEOPLE[self.traits.gender, self.age()])
        opening = self.one(_OPENINGS).format(
            who=who, a_who=_article(who), hair=self.hair(), clothes=self.clothes(), Subject=self.subject.title())
        present, absent = self.details()
        told = [x for x in present if self.rng.random() < LEAST_DETAIL]
        untold = [*(x for x in present if x not in told), *self.shuffled(absent)]
        sentences = [opening, *(f'{self.subject} {x}.' for x in self.shuffled(told))]
        while untold and sum(len(x.split()) for x in sentences) < least_words:
            sentences.append(f'{self.subject} {untold.pop(0)}.')
        return ' '.join(f'{x[0].upper()}{x[1:]}' for x in sentences)

    def one(self, words: Sequence[str]) -> str:
        return words[self.rng.integers(len(words))]

    def shuffled(self, words: Sequence[str]) -> list[str]:
        return [words[i] for i in self.rng.permutation(len(words))]

    def colour(self, name: str) -> str:
        return self.one(_COLOURS.get(name, (name,)))

    def age(self) -> str:
        return 'child' if self.traits.age < 14 else 'old' if self.traits.age > 62 else 'adult'

    def hair(self) -> str:
        t = self.traits
        return self.one(('no hair', 'a bald head')) if t.hair == 'bald' else f'{t.hair} {t.hair_colour} hair'

    def clothes(self) -> str:
        """The outermost layer, what covers the legs below it, and the shoes."""
        t = self.traits
        parts = [self.upper()]
        if t.lower in _LOWERS:
            pattern = {'stripe': 'side striped ', 'print': 'printed '}.get(t.lower_pattern, '')
            words = f'{self.colour(t.lower_colour)} {pattern}{self.one(_LOWERS[t.lower])}'
            parts.append(_article(words) if t.lower in ('skirt', 'short_skirt') else words)
        shoes = f'{self.colour(t.shoe_colour)} {self.one(_SHOES[t.shoes])}'
        parts.append(self.one(('', 'a pair of ')) + shoes)
        return f'{", ".join(parts[:-1])} and {parts[-1]}'

    def upper(self) -> str:
        t = self.traits
        if t.coat:
            return _article(f'{self.colour(t.coat_colour)} {self.one(("long coat", "overcoat"))}')
        words = [self.colour(t.upper_colour), self.one(_UPPERS[t.upper])]
        if t.upper_pattern in _PATTERNS:
            words.insert(1, self.one(_PATTERNS[t.upper_pattern]))
        if t.sleeve == 'short' or (t.sleeve == 'long' and t.upper in ('tshirt', 'dress', 'jumpsuit')):
            words.insert(0, f'{t.sleeve} sleeved')
        logo = ' with a print on the chest' if t.upper_pattern == 'logo' else ''
        return _article(' '.join(words)) + logo

    def details(self) -> tuple[list[str], list[str]]:
        """What there is to tell beside clothes and hair, and what is not there."""
        t = self.traits
        bag = f'{self.colour(dye(self.person, "bag"))} {self.one(_BAGS.get(t.bag, ("bag",)))}'
        hat = f'{self.colour(dye(self.person, "hat"))} {self.one(("hat", "cap"))}'
        scarf = f'{self.colour(dye(self.person, "scarf"))} scarf'
        thing = f'{self.colour(dye(self.person, "object"))} {self.one(("box", "object"))}'
        facts = [
            (t.bag != 'none', f'{self.one(("carries", "has"))} {_article(bag)}', 'carries no bag'),
            (t.hat, f'wears {_article(hat)}', 'wears no hat'),
            (t.scarf, f'wears {_article(scarf)} around the neck', 'wears no scarf'),
            (t.sunglasses or t.glasses, f'has {"sunglasses" if t.sunglasses else "glasses"} on', 'has no glasses on'),
            (t.holds_object, f'holds {_article(thing)} in both hands', 'holds nothing in the hands'),
            (True, f'is of {_BUILDS[t.build]} build', ''),
        ]  # fmt: skip
        return [yes for there, yes, _ in facts if there], [no for there, _, no in facts if not there]


def _article(words: str) -> str:
    """The words with a or an before them."""
    return f'{"an" if words[0] in "aeiou" else "a"} {words}'
