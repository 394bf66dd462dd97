"""Crops for self-distillation (recipe of DINO with SOLIDER's scales): two large ones of 256 x 128, eight small ones.

Large crops have 80 to 100 % of the image, small ones 5 to 80 %, all in the form of a person, flipped half of the time
and recoloured. The first large one is always blurred, the second hardly ever; it is solarised now and then.

Another input size in a recipe::

    crops = [dict(group, size=(group['size'][0] // 2, group['size'][1] // 2)) for group in crops]
"""
from humanbench.datasets.transforms import LoadImage, MultiCrop, PackHumanInputs, Resize

crops = [
    dict(count=2, size=(256, 128), scale=(0.8, 1.0), aspect=(0.4, 0.6), blur=(1.0, 0.1), solarize=(0.0, 0.2)),
    dict(count=8, size=(128, 64), scale=(0.05, 0.8), aspect=(0.4, 0.6), blur=0.5)]
multicrop_train_pipeline = [dict(type=LoadImage), dict(type=MultiCrop, groups=crops), dict(type=PackHumanInputs)]
multicrop_test_pipeline = [
    dict(type=LoadImage), dict(type=Resize, size=(256, 128), interpolation='bicubic'), dict(type=PackHumanInputs)]
