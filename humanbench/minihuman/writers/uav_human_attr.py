"""UAV-Human, attributes: ``train`` and ``test``, the labels as codes in the file name."""
from collections.abc import Mapping
from typing import Any

from ..person import Person, dye
from .attribute import AttributeWriter
from .base import Job
from .files import write_image

BAG_COLOURS = {'red': 1, 'black': 2, 'green': 3, 'yellow': 4}
HAT_COLOURS = {'red': 1, 'black': 2, 'yellow': 3, 'white': 4}
COLOURS = {'red': 1, 'black': 2, 'blue': 3, 'navy': 3, 'green': 4, 'grey': 6, 'white': 7, 'yellow': 8, 'orange': 8,
           'brown': 9, 'purple': 10, 'pink': 11}
MANY_COLOURS, SKIRTS = 5, ('skirt', 'short_skirt', 'dress')


class UAVHumanAttributes(AttributeWriter):
    """Every code names a main and an auxiliary person; the second is 0 here. Clothes of a colour that the code lacks
    are 0, not available; bags and hats 5, which means the same."""

    def write(self, job: Job) -> None:
        image, person = self.crop(job)
        rng = self.rng(*job, 'name')
        name = (f'P{job.index % 100:03d}S{job.index // 100:02d}{self._codes(person.person)}A{rng.integers(155):03d}R0_'
                f'0824{rng.integers(8, 18):02d}{rng.integers(60):02d}_{rng.integers(1000):03d}.jpg')
        write_image(self.root / job.split / name, image)

    def _codes(self, person: Person) -> str:
        t = person.traits
        backpack = BAG_COLOURS.get(dye(person, 'bag'), 5) if t.bag == 'backpack' else 0
        hat = HAT_COLOURS.get(dye(person, 'hat'), 5) if t.hat else 0
        mixed = t.upper_pattern in ('stripes', 'plaid', 'splice') and not t.coat
        upper = MANY_COLOURS if mixed else COLOURS.get(t.coat_colour if t.coat else t.upper_colour, 0)
        sleeve = 1 if t.coat or t.sleeve == 'long' else 2
        lower, style = COLOURS.get(t.lower_colour, 0), 3 if t.lower in SKIRTS else 2 if t.lower == 'shorts' else 1
        gender = 1 if t.gender == 'male' else 2
        return f'G{gender}0B{backpack}0H{hat}0UC{upper:02d}{sleeve}000LC{lower:02d}{style}000'

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """The file names are the annotation."""
