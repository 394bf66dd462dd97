"""Human parsing (recipes PA1, PA2): flip, stretch to a square, scale 0.5 to 1.6 in steps of 0.1, pad (255) and crop.

In the test the label map keeps its own size and predictions are brought to it.

Another input size in a recipe::

    parsing_train_pipeline = [dict(x, size=(128, 128)) if 'size' in x else x for x in parsing_train_pipeline]

Without the flip, likewise, ``dict(x, flip_prob=0.0) if 'flip_prob' in x else x``.
"""
from humanbench.datasets.transforms import LoadImage, LoadLabelMap, PackHumanInputs, RandomScaleCrop, Resize

parsing_size = (480, 480)  # height, width
parsing_train_pipeline = [
    dict(type=LoadImage, lazy=True),
    dict(type=LoadLabelMap),
    dict(type=RandomScaleCrop, size=parsing_size, flip_prob=0.5,
         scales=(0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)),
    dict(type=PackHumanInputs),
]
parsing_test_pipeline = [
    dict(type=LoadImage),
    dict(type=Resize, size=parsing_size),
    dict(type=LoadLabelMap),
    dict(type=PackHumanInputs),
]
