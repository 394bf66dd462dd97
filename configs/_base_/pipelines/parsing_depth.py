"""Human parsing of depth images (NTURGBD-Parsing-4K with ``modality='depth'``): 473 x 473, nearest pixels.

Flip with left and right classes exchanged, stretch, scale 0.5 to 1.6, pad (255) and crop, as for photos: HCMoCo's
downstream code is the same for both. The input is depth in metres; the recipe's data preprocessor takes the mean away.

Another input size in a recipe::

    parsing_depth_train_pipeline = [dict(x, size=(128, 128)) if 'size' in x else x
                                    for x in parsing_depth_train_pipeline]
"""
from humanbench.datasets.transforms import LoadDepthImage, LoadLabelMap, PackHumanInputs, RandomScaleCrop, Resize

parsing_depth_size = (473, 473)  # height, width
parsing_depth_train_pipeline = [
    dict(type=LoadDepthImage),
    dict(type=LoadLabelMap),
    dict(type=RandomScaleCrop, size=parsing_depth_size, flip_prob=0.5,
         scales=(0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)),
    dict(type=PackHumanInputs),
]
parsing_depth_test_pipeline = [
    dict(type=LoadDepthImage),
    dict(type=Resize, size=parsing_depth_size),
    dict(type=LoadLabelMap),
    dict(type=PackHumanInputs),
]
