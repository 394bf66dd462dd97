"""The chain on real images, where they are: joint training in native formats, evaluation, overlays."""
import json
import math
import os
from pathlib import Path

import pytest
from PIL import Image

from humanbench.apis.showcase import evaluate_with_sheet
from humanbench.engine.launch import build_runner, load_config
from humanbench.errors import UserError

FOLDER = Path(os.environ.get('HUMANBENCH_REALDATA', Path(__file__).parents[2] / 'shared' / 'realdata')).absolute()
SOURCES = {'coco_pose', 'aic', 'mpii', 'h36m_pose', 'lip', 'cihp', 'pa100k', 'market1501', 'shanghaitech_a'}


def recipe(monkeypatch, tmp_path: Path, folder: Path):
    """The recipe on the images of ``folder``, for two steps."""
    monkeypatch.setenv('HUMANBENCH_REALDATA', str(folder))
    config = load_config('path/path_realdata.py', options={'train_cfg.max_steps': 2})
    config.work_dir = str(tmp_path)
    return config


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the real images are not at '{FOLDER}' (HUMANBENCH_REALDATA)")
def test_path_trains_on_real_images_of_nine_sources_and_draws_what_it_sees(monkeypatch, tmp_path):
    config = recipe(monkeypatch, tmp_path, FOLDER)
    assert set(config.sources) == SOURCES
    config.default_hooks = dict(logger=dict(interval=1))
    build_runner(config).train()
    lines = next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()
    for logged in map(json.loads, lines):
        assert all(math.isfinite(logged[f'loss/{source}']) for source in SOURCES)
    evaluate_with_sheet(config, str(tmp_path / 'iter_2.pth'), 'lip', str(tmp_path / 'lip.json'), tmp_path / 'lip.png')
    assert 0 < json.loads((tmp_path / 'lip.json').read_text())['lip']['pixel_accuracy'] <= 1
    assert Image.open(tmp_path / 'lip.png').width > 200


def test_control_a_folder_without_the_images_is_named(monkeypatch, tmp_path):
    with pytest.raises(UserError, match='nowhere'):
        build_runner(recipe(monkeypatch, tmp_path, tmp_path / 'nowhere')).train()
