"""The contact sheet of a dataset in its native layout, from the reader to the picture."""
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from humanbench.errors import UserError
from humanbench.visualization.browse import dataset_sheet
from humanbench.visualization.palette import LIMBS

from .test_visualization import COCO, has_color, person

TOOL = Path(__file__).parents[2] / 'tools' / 'browse.py'


@pytest.fixture
def market(tmp_path):
    """Three identities with four images each, every identity in its own grey."""
    folder = tmp_path / 'bounding_box_train'
    folder.mkdir()
    for pid in (2, 7, 9):
        for i in range(4):
            Image.new('RGB', (64, 128), (pid * 20,) * 3).save(folder / f'{pid:04d}_c{i + 1}s1_000{i}51_01.jpg')
    return tmp_path


@pytest.fixture
def coco(tmp_path):
    """One image with one person."""
    (tmp_path / 'val2017').mkdir()
    (tmp_path / 'annotations').mkdir()
    Image.new('RGB', (320, 240), (128,) * 3).save(tmp_path / 'val2017' / '000000000001.jpg')
    flat = np.concatenate([person(), np.full((17, 1), 2.0)], axis=1).ravel().tolist()
    annotation = dict(
        id=1,
        image_id=1,
        category_id=1,
        bbox=[130, 20, 60, 200],
        keypoints=flat,
        num_keypoints=17,
        iscrowd=0,
        area=12000,
    )
    content = dict(images=[dict(id=1, file_name='000000000001.jpg', width=320, height=240)], annotations=[annotation],
                   categories=[dict(id=1, name='person', keypoints=list(COCO))])
    (tmp_path / 'annotations' / 'person_keypoints_val2017.json').write_text(json.dumps(content))
    return tmp_path


def test_a_row_shows_one_identity(market):
    sheet, split = dataset_sheet('market1501', root=str(market), num=8, columns=4)
    assert split == 'train' and sheet.shape[2] == 3
    height = sheet.shape[0]
    rows = [sheet[int(height * share), 10:-10] for share in (0.35, 0.8)]
    for row, grey in zip(rows, (40, 180)):  # evenly spaced: the first and the last identity
        assert (np.abs(row.astype(int) - grey).max(-1) <= 3).mean() > 0.8


def test_a_pose_sheet_shows_the_person_with_its_limbs(coco):
    sheet, _ = dataset_sheet('coco_pose', root=str(coco), split='val', num=3)
    assert has_color(sheet, LIMBS['left_leg']) and has_color(sheet, LIMBS['right_arm'])


def test_the_tool_writes_a_picture(market, tmp_path, capsys):
    out = tmp_path / 'sheets' / 'market.png'
    runpy.run_path(str(TOOL))['main'](
        ['market1501', '--root', str(market), '--num', '4', '--columns', '4', '--out', str(out)]
    )
    assert capsys.readouterr().out.strip().endswith(str(out)) and Image.open(out).width > 400


@pytest.mark.parametrize(('arguments', 'words'), [
    (['market1051'], "Unknown dataset 'market1051'. Did you mean 'market1501'?"),
    (['market1501', '--split', 'trian', '--root', '.'], "Did you mean 'train'?"),
    (['market1501', '--root', '/nowhere/market'], 'is missing')])
def test_the_tool_says_what_is_wrong(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(TOOL))['main'](arguments)
    assert stop.value.code == 2 and words in capsys.readouterr().err


def test_nothing_asked_for(market):
    with pytest.raises(UserError, match='numbers above zero'):
        dataset_sheet('market1501', root=str(market), num=0)
