"""Market-1501 Attribute: the images of Market-1501 once more, and ``market_attribute.mat`` about their identities."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import PersonView, render_person
from .attribute_tables import MARKET1501 as TABLE
from .attribute_tables import MARKET_AGES
from .base import Size
from .files import cells, struct, write_mat
from .market1501 import Market1501

TRAIN_ORDER = ('age', 'backpack', 'bag', 'handbag', 'downblack', 'downblue', 'downbrown', 'downgray', 'downgreen',
               'downpink', 'downpurple', 'downwhite', 'downyellow', 'upblack', 'upblue', 'upgreen', 'upgray',
               'uppurple', 'upred', 'upwhite', 'upyellow', 'clothes', 'down', 'up', 'hair', 'hat', 'gender')
TEST_ORDER = ('age', 'backpack', 'bag', 'handbag', 'clothes', 'down', 'up', 'hair', 'hat', 'gender', 'upblack',
              'upwhite', 'upred', 'uppurple', 'upyellow', 'upgray', 'upblue', 'upgreen', 'downblack', 'downwhite',
              'downpink', 'downpurple', 'downyellow', 'downgray', 'downblue', 'downgreen', 'downbrown')


class Market1501Attribute(Market1501):
    """Fields stand in another order for the test identities; values are 1 and 2, ages 1 to 4."""

    def _entropy(self, key: tuple[str | int, ...]) -> list[int]:
        """Of Market-1501 itself: the same people in the same pictures."""
        return Market1501('market1501', Size(self.counts), self.seed, self.root)._entropy(key)

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        parts = {}
        for split, order in {'test': TEST_ORDER, 'train': TRAIN_ORDER}.items():
            people = [self._labels(split, i) for i in range(self.counts[split])]
            values = {name: np.array([[x[name] for x in people]], np.uint8) for name in order}
            indices = [f'{2 * i + (2 if split == "train" else 1):04d}' for i in range(len(people))]
            parts[split] = struct(**values, image_index=cells(indices, (1, -1)))
        write_mat(self.root / 'market_attribute.mat', {'market_attribute': struct(**parts)})

    def _labels(self, split: str, identity: int) -> dict[str, int]:
        view = self._front(split, identity)
        age = [rule(view) for rule in MARKET_AGES.values()].index(True) + 1
        return {**{name: 1 + rule(view) for name, rule in TABLE.items()}, 'age': age}

    def _front(self, split: str, identity: int) -> PersonView:
        """Labels are about the person, not about one picture."""
        person = self.person(split, identity)
        return render_person(person, self.rng(split, 'front', identity), (32, 16), 0, view='front').people[0]
