"""MiniHuman: synthetic people, written to disk in the native format of every dataset."""
from .edition import SIZES, ensure
from .scene import (BAGS, COLOURS, GARMENTS, JOINTS, LOWERS, NUM_JOINTS, POSES, SEGMENTS, SHOES, UPPERS, VIEWS, Person,
                    PersonView, Render, Traits, make_person, render_crowd, render_person, render_scene)

__all__ = ['BAGS', 'COLOURS', 'GARMENTS', 'JOINTS', 'LOWERS', 'NUM_JOINTS', 'POSES', 'SEGMENTS', 'SHOES', 'SIZES', 'UPPERS',
           'VIEWS', 'Person', 'PersonView', 'Render', 'Traits', 'ensure', 'make_person', 'render_crowd', 'render_person',
           'render_scene']
