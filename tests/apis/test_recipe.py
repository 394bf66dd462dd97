"""Every shipped recipe can be asked: each head has the pipeline of a test and names for its answers, from no file."""
from pathlib import Path

import pytest

from humanbench.apis.recipe import chosen_heads, read_recipe
from humanbench.catalog import TASKS
from humanbench.errors import UserError
from humanbench.resources import folder

CONFIGS = sorted(x.relative_to(folder('configs')).as_posix() for x in folder('configs').rglob('*.py')
                 if '_base_' not in x.parts and x.stem != 'path_realdata')
ENGINE_ONLY = ('path/path_debug_37sets.py', 'hap/hap_vit-b_luperson.py',  # whose heads nobody asks
               *(f'solider/solider_swin-{size}_luperson.py' for size in 'tsb'),
               *(f'hcmoco/hcmoco_{network}_ntu.py' for network in ('hrnet-w18', 'hrnet-w32', 'points', 'vit-b')))
OF_DEPTH = ('downstream/parsing/nturgbd_parsing_depth.py', 'downstream/pose_3d/itop_side.py')
COUNTS = dict(pose='num_keypoints', attribute='num_attributes', parsing='num_classes')


@pytest.fixture(autouse=True)
def nothing_on_disk(monkeypatch, tmp_path):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))


@pytest.mark.parametrize('config', CONFIGS)
def test_every_head_of_every_recipe_can_be_asked(config):
    recipe, _ = read_recipe(config, 'scratch')
    assert recipe.sources
    tested = {recipe.sources[x['source']]['task'] for x in recipe.evaluations.values()}
    assert bool(tested) == (config not in ENGINE_ONLY)
    for source in recipe.sources:
        if config in OF_DEPTH:  # a photo says nothing to such a head
            with pytest.raises(UserError, match='begins with LoadDepthImage; expected LoadImage'):
                recipe.head(source)
            continue
        head = recipe.head(source)
        if recipe.sources[source]['task'] not in tested:
            assert head is None
            continue
        assert head.source == source and len(head.pipeline.transforms) > 1
        if head.task in COUNTS:
            assert len(head.names) == len(set(head.names)) == recipe.model['heads'][source][COUNTS[head.task]]


def test_the_default_heads_of_the_37_datasets():
    recipe, weights = read_recipe('path/path_vit-b_37sets.py', 'scratch')
    heads, notes = chosen_heads(recipe, None, None)
    assert {task: head.source for task, head in heads.items()} == dict(
        reid='reid_3sets', attribute='attr_rapv2_pa100k', pose='coco_pose', parsing='lip', detection='crowdhuman')
    assert weights == 'scratch' and notes == ['counting: left out; the model has no head for counting']
    assert heads['attribute'].names[0].startswith('rapv2/') and heads['attribute'].names[-1].startswith('pa100k/')
    assert [task for task in TASKS if task in heads and heads[task].whole] == ['detection']
    other, _ = chosen_heads(recipe, ['parsing'], {'parsing': 'vip', 'pose': 'halpe'})
    assert list(other) == ['pose', 'parsing', 'detection'] and other['parsing'].whole
    with pytest.raises(UserError, match='Known: .*cihp.*lip.*vip'):
        chosen_heads(recipe, None, {'parsing': 'coco_pose'})


def test_a_head_that_no_evaluation_tests_is_not_guessed_at():
    recipe, _ = read_recipe('path/path_debug.py', 'scratch')
    recipe.evaluations.pop('market1501')
    heads, notes = chosen_heads(recipe, None, None)
    assert 'reid' not in heads and 'pose' in heads
    assert notes[0] == ('reid: left out; the model has heads for reid (market1501, msmt17), but no evaluation that '
                        'says how their pictures are made')
    with pytest.raises(UserError, match='heads for reid .*, but no evaluation'):
        chosen_heads(recipe, ['reid'], None)


def test_a_config_and_weights_of_another_recipe(tmp_path):
    with pytest.raises(UserError, match="no checkpoint 'nowhere.pth'"):
        read_recipe('path/path_debug.py', 'nowhere.pth')
    with pytest.raises(UserError, match='is a config. Which weights'):
        read_recipe(Path('path/path_debug.py'), None)
