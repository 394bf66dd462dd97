"""Pictures of labels and predictions. Images are RGB uint8 (H, W, 3) arrays; no function changes what it is given."""
from .draw import (
    draw_attributes,
    draw_boxes,
    draw_density,
    draw_ignored,
    draw_keypoints,
    draw_parsing,
    draw_points,
    draw_ranking,
    parsing_legend,
)
from .palette import class_colors
from .sample import draw_sample, person_region, shown_boxes
from .sheet import Ranking, contact_sheet, picture_path, prediction_sheet, save_image
from .text import text_card

__all__ = [
    'Ranking',
    'class_colors',
    'contact_sheet',
    'draw_attributes',
    'draw_boxes',
    'draw_density',
    'draw_ignored',
    'draw_keypoints',
    'draw_parsing',
    'draw_points',
    'draw_ranking',
    'draw_sample',
    'parsing_legend',
    'person_region',
    'picture_path',
    'prediction_sheet',
    'save_image',
    'shown_boxes',
    'text_card',
]
