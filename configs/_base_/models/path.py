"""What PATH adds to a plain ViT: a ladder projector and a drop-path rate of its own for each task.

In a recipe::

    model.update(path_model)
"""
from humanbench.models import LadderProjector

path_model = dict(
    projectors=dict(
        reid=dict(type=LadderProjector), attribute=dict(type=LadderProjector), pose=dict(type=LadderProjector),
        parsing=dict(type=LadderProjector), detection=dict(type=LadderProjector)),
    drop_path=dict(reid=0.0, attribute=0.1, pose=0.3, parsing=0.3, detection=0.0))
