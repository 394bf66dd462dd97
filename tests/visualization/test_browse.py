"""The contact sheet of a dataset in its native layout, from the reader to the picture."""
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from humanbench import catalog
from humanbench.datasets.roots import edition_datasets
from humanbench.datasets.transforms import PackHumanInputs
from humanbench.errors import UserError
from humanbench.visualization.browse import dataset_sheet, facts, read_samples
from humanbench.visualization.palette import LIMBS
from humanbench.visualization.training import training_pipeline

from ..benchmark.browser import Browser, chromium
from .test_visualization import COCO, has_color, person

TOOL = Path(__file__).parents[2] / 'tools' / 'datasets.py'


def browse(*arguments: object) -> int:
    return runpy.run_path(str(TOOL))['main'](['browse', *map(str, arguments)])


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


@pytest.mark.parametrize('transforms', [False, True])
def test_joints_of_crops_are_drawn(transforms, edition):
    sheet, _ = dataset_sheet('luperson', 'minihuman:tiny', num=4, columns=4, transforms=transforms)
    assert has_color(sheet, LIMBS['left_leg']) and has_color(sheet, LIMBS['right_arm'])


def test_the_tool_writes_a_picture(market, tmp_path, capsys):
    out = tmp_path / 'sheets' / 'market.png'
    assert browse('market1501', '--root', market, '--num', 4, '--columns', 4, '--out', out) == 0
    assert capsys.readouterr().out.strip().endswith(str(out)) and Image.open(out).width > 400


@pytest.mark.parametrize(('arguments', 'words'), [
    (['market1051'], "Unknown dataset 'market1051'. Did you mean 'market1501'?"),
    (['dukemtmc_reid'], 'has a card but no reader. Withdrawn'),
    (['market1501', '--split', 'trian', '--root', '.'], "Did you mean 'train'?"),
    (['market1501', '--root', '/nowhere/market'], 'is missing'),
    (['sensereid', '--root', 'minihuman:tiny', '--transforms'], 'no shipped config trains on')])
def test_the_tool_says_what_is_wrong(arguments, words, capsys, edition):
    with pytest.raises(SystemExit) as stop:
        browse(*arguments)
    assert stop.value.code == 2 and words in capsys.readouterr().err


def test_nothing_asked_for(market):
    with pytest.raises(UserError, match='numbers above zero'):
        dataset_sheet('market1501', root=str(market), num=0)


# ------------------------------------------------------------------------------------------------- after transforms
READ = edition_datasets('minihuman:tiny')
SHAPES = {'reid': (256, 128), 'attribute': (256, 192), 'pose': (256, 192), 'parsing': (480, 480),
          'pretext': (256, 128), 'ntu_rgbd': (320, 320), 'text_reid': (384, 128)}


@pytest.mark.parametrize('id', READ)
def test_samples_as_training_sees_them(id, edition):
    try:
        pipeline = training_pipeline(id)
    except UserError:
        assert 'pretrain' not in catalog.card(id).role
        return
    found = read_samples(id, 'minihuman:tiny', num=2, row=2, transforms=True)
    task = catalog.card(id).tasks[0]
    assert [x['type'] for x in pipeline][-1] is PackHumanInputs and len(found.images) == 2
    assert all(x.shape[:2] == SHAPES.get(id, SHAPES.get(task, x.shape[:2])) for x in found.images)
    assert all(x.shape[2] == 3 and x.std() > 2 for x in found.pictures()) and all(map(facts, found.labels))


def test_a_source_of_several_datasets_has_the_transforms_of_each(edition):
    assert training_pipeline('prcc') == training_pipeline('dgmarket') != training_pipeline('lip')


def test_transforms_are_drawn_with_the_seed(edition):
    first, again, other = (read_samples('pa100k', 'minihuman:tiny', num=3, seed=seed, transforms=True).images
                           for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again))
    assert not all((a == b).all() for a, b in zip(first, other))


# --------------------------------------------------------------------------------------------------------- the page
def test_every_task_has_words_for_its_labels(edition):
    words = {task: facts(read_samples(id, 'minihuman:tiny', num=1, row=1).labels[0]) for task, id in dict(
        reid='market1501', attribute='rapv2', pose='mpii', parsing='lip', detection='crowdhuman',
        counting='shanghaitech_a', text_reid='rstpreid', pretext='luperson',
        person_search='prw', pose_3d='itop_side').items()}
    assert words['reid'][0].startswith('identity ') and 'keypoints labelled' in words['pose'][0]
    assert 'Hair' in words['parsing'][0] and words['detection'][0].split()[1].startswith('boxes')
    assert 'of 17 keypoints labelled' in words['pretext'][0]
    assert words['person_search'][0].split()[1] == 'boxes' and words['person_search'][1].startswith('people ')
    assert words['pose_3d'] == ['15 of 15 keypoints labelled']
    assert words['text_reid'][0] == 'identity 1' and 'hair' in words['text_reid'][1]
    assert words['counting'][0].endswith(' people') and words['attribute'][0].count(', ') >= 2


@pytest.mark.skipif(chromium() is None, reason='no Chromium here')
@pytest.mark.parametrize(('arguments', 'words'), [
    (['lip', '--transforms'], 'Hair'), (['market1501', '--split', 'query'], 'identity'), (['aic'], 'keypoints')])
def test_the_page_in_a_browser(arguments, words, tmp_path, edition):
    page = tmp_path / 'pages' / 'page.html'
    browse(*arguments, '--root', 'minihuman:tiny', '--num', 5, '--html', page)
    assert [x.name for x in page.parent.iterdir()] == ['page.html']  # it needs nothing beside it
    with Browser(tmp_path / 'profile') as browser:
        browser.resize(390, 800)
        browser.open(page.as_uri())
        widths = '[...document.querySelectorAll("figure img")].map(x => x.complete * x.naturalWidth)'
        pictures = browser.evaluate(widths)
        assert len(pictures) >= 3 and min(pictures) > 60
        assert browser.evaluate('[...document.images].every(x => x.alt.length > 10)')
        assert words in browser.evaluate('document.querySelector("figcaption").innerText')
        assert browser.evaluate('document.documentElement.scrollWidth <= innerWidth')  # nothing sticks out on a phone
        assert browser.problems() == []
