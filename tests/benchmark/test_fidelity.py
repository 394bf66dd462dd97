"""Do the claims hold: the variants are what they are called, the rule of the verdicts, the page."""
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from humanbench import weights
from humanbench.benchmark.fidelity.curves import draw_curves
from humanbench.benchmark.fidelity.dial import Distances
from humanbench.benchmark.fidelity.document import BEGIN, END, insert, measured
from humanbench.benchmark.fidelity.experiment import Experiment, longest
from humanbench.benchmark.fidelity.findings import chance_of_clear, findings, summaries
from humanbench.benchmark.fidelity.own import own_records
from humanbench.benchmark.fidelity.studies import FINETUNING, STUDIES
from humanbench.benchmark.fidelity.study import OWN, Claim, Pair, Study, Variant
from humanbench.benchmark.files import read_json, write_json
from humanbench.benchmark.plan import Cell, Weights
from humanbench.benchmark.pretraining import RECORD, Pretraining, run_pretrainings
from humanbench.benchmark.recipe import recipe
from humanbench.benchmark.results import load_records, summarise
from humanbench.engine.launch import complete, load_config
from humanbench.errors import UserError
from humanbench.registry import MODELS
from humanbench.schema import mistakes_in
from humanbench.weights.folder import checkpoints_in

from . import fakes

RECIPE = 'path/path_debug.py'
CLAIMS = STUDIES['path']().claims
SCRATCH, UNSEEN, PROJECTOR, PROTOCOLS = CLAIMS[0], CLAIMS[1], CLAIMS[2], CLAIMS[5]
ROUTES = {
    'path': dict(market1501='reid', msmt17='reid', coco_pose='pose', aic='pose', lip='parsing', pa100k='attribute',
                 crowdhuman='detection'),
    'no_projector': None,
    'one_projector': dict.fromkeys(('market1501', 'msmt17', 'coco_pose', 'aic', 'lip', 'pa100k', 'crowdhuman'),
                                   'shared'),
    'projector_per_dataset': {x: x for x in ('market1501', 'msmt17', 'coco_pose', 'aic', 'lip', 'pa100k',
                                             'crowdhuman')},
}


def experiment(out, datasets=('lip', ), study='path', **options):
    one = replace(STUDIES[study](), datasets=datasets)
    return Experiment(out, one, **dict(steps=2, size='tiny', finetune_steps=2) | options)


def network(config):
    torch.manual_seed(0)
    return MODELS.build(complete(config).model)


# ---------------------------------------------------------------------------------------------------------- variants
@pytest.mark.parametrize('name', ROUTES)
def test_a_variant_of_path_differs_in_its_projectors_alone(tmp_path, name):
    one, = (x for x in experiment(tmp_path).pretrainings(0) if x.name == name)
    config = load_config(one.config, options=one.options)
    assert mistakes_in(config) == []
    model, plain = network(config), network(load_config(RECIPE))
    if ROUTES[name] is None:
        assert not list(model.projectors.parameters())
    else:
        assert model.routes == ROUTES[name] and set(model.projectors) == set(ROUTES[name].values())
        assert all(list(x.parameters()) for x in model.projectors.values())
    for part in ('backbone', 'heads'):  # the same first values, so that rows of one seed differ in nothing else
        own, theirs = getattr(model, part).state_dict(), getattr(plain, part).state_dict()
        assert own.keys() == theirs.keys() and all(torch.equal(own[x], theirs[x]) for x in own)


@pytest.mark.parametrize('study', STUDIES)
def test_a_study_claims_something_of_what_it_measures(tmp_path, study):
    """Every claim is of variants that exist (or of scratch) and of protocols that are run; every variant is in one."""
    made = STUDIES[study]()
    sides = {side for claim in made.claims for pair in claim.pairs for side in (pair.first, pair.second)}
    dial = {row for row in made.rows() if row.startswith('lambda')}  # its ends are claimed, the rest is drawn
    sides = {(row.partition(', ')[0], protocol) for row, protocol in sides}  # whichever evaluation of a pretraining
    own = {row for row, protocol in sides if protocol == OWN}
    assert own <= set(made.variants) and set(made.variants) <= own | {x for x, _ in made.rows().values()}
    assert {row for row, _ in sides} - dial - own == {*made.rows(), 'scratch'} - dial - own
    assert {row for row, _ in sides} & dial == {x for x in dial if x in ('lambda 0.0', 'lambda 1.0')}
    assert {protocol for _, protocol in sides} <= {*made.protocols, 'direct', OWN}
    pretrainings = Experiment(tmp_path, made).pretrainings(0)
    recipes = [load_config(x.config, x.flavor, options=x.options) for x in pretrainings]
    assert all(mistakes_in(x) == [] for x in recipes)
    datasets = {recipe(x).dataset for x in made.datasets}
    assert all(set(labels) <= datasets for labels in made.labels.values())
    assert len({x.checkpoint for x in pretrainings}) == len(made.variants)
    for one, config in zip(pretrainings, recipes, strict=True):
        variant = made.variants[one.name]
        assert config.train_cfg.max_steps == (variant.steps or made.steps)
        assert bool(one.after) == bool(variant.after) and one.test == bool(made.own_metrics())


def test_one_pretraining_is_read_at_every_lambda(tmp_path):
    one = experiment(tmp_path, ('lip', 'pa100k'), 'solider')
    for x in one.pretrainings(0):
        weights.export(network(load_config(x.config, x.flavor, options=x.options)), x.checkpoint)
    planned = {(x.cell.dataset, x.cell.protocol, x.cell.weights.name): x for x in one.plan(0, '')}
    lambdas = {name: x for (dataset, protocol, name), x in planned.items() if name.startswith('lambda')}
    assert set(planned) == {(x, 'full', row) for x in ('lip', 'pa100k') for row in ('dino', 'clustering', 'solider',
                                                                                    'scratch')} | {
        ('lip', 'partial', row) for row in lambdas}  # scratch is compared where everything is finetuned
    assert len(lambdas) == 6 and len({x.cell.weights.hash for x in lambdas.values()}) == 6  # though they are one file
    for name, x in lambdas.items():
        assert x.recipe.other_network(x.cell.weights.network, 'debug').network['semantic'] == float(name.split()[1])
    changed = {str(x.cell.weights.network.changes) for x in planned.values()}
    assert len(changed) == 1  # pretrained or not, they are finetuned alike


def test_few_labels_are_few(tmp_path):
    one = experiment(tmp_path, ('mpii', ), 'hap', finetune_steps=None)
    for x in one.pretrainings(0):
        weights.export(network(load_config(x.config, x.flavor, options=x.options)), x.checkpoint)
    planned = one.plan(0, '')
    assert {x.cell.protocol for x in planned} == {'full'} and len(planned) == 9
    for x in planned:
        config = load_config(str(x.recipe.config), 'debug', x.cell.protocol, x.overrides)
        assert config.sources.mpii.dataset.indices == one.study.labels['']['mpii']
        assert config.train_cfg.max_steps == 1000 and config.optim_wrapper.paramwise_cfg.backbone_multiplier == 0.5
        assert 'indices' not in config.evaluations.mpii.dataset


def test_every_variant_and_seed_has_a_folder_of_its_own(tmp_path):
    folders = {x.checkpoint.parent for seed in (0, 1) for x in experiment(tmp_path).pretrainings(seed)}
    longer = experiment(tmp_path, steps=3).pretrainings(0)
    assert len(folders) == 8 and not folders & {x.checkpoint.parent for x in longer}


def pretend(one: Experiment, seeds=(0, )) -> None:
    """Untrained networks in place of pretrained ones."""
    for x in (x for seed in seeds for x in one.pretrainings(seed)):
        model = network(load_config(x.config, options=x.options))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(x.seed + 1)
        weights.export(model, x.checkpoint)


def test_cells_start_from_the_pretraining_of_their_seed_and_read_its_projector(tmp_path):
    one = experiment(tmp_path, ('lip', 'market1501', 'shanghaitech_a'))
    pretend(one, (0, 1))
    planned = one.plan(0, '')
    cells = {(x.cell.dataset, x.cell.protocol, x.cell.weights.name) for x in planned}
    assert len(cells) == len(planned) == (3 * 5 + 4) + (2 * 5 + 4) + 3 * 5  # no head for ReID, no direct for counting
    for x in planned:
        if x.cell.protocol == 'direct':
            config = load_config(str(x.recipe.config), 'debug', 'direct', x.overrides)
            model = network(config)
            report = weights.load_into(model, x.cell.weights.spec, config.weights_parts)
            assert not report.missing
            assert bool(list(model.projectors.parameters())) == (x.cell.weights.name != 'no_projector')
    hashes = {(x.cell.weights.name, x.key['weights_hash']) for seed in (0, 1) for x in one.plan(seed, '')}
    assert len(hashes) == 2 * 4 + 1  # scratch is the same for all seeds


def test_protocols_train_equally_long(tmp_path):
    own = {x: load_config('benchmark/parsing/lip.py', 'debug', x).train_cfg.max_steps for x in FINETUNING}
    assert longest('lip', FINETUNING) == max(own.values()) > min(own.values())  # they differ by themselves
    one = experiment(tmp_path, finetune_steps=None)
    pretend(one)
    assert {x.overrides['train_cfg.max_steps'] for x in one.plan(0, '') if x.cell.protocol != 'direct'} == {
        longest('lip', FINETUNING)}


# ---------------------------------------------------------------------------------------------------------- verdicts
def measure(out, values, dataset='lip'):
    """Records of (row, protocol) -> value of every seed."""
    for (row, protocol), numbers in values.items():
        for seed, value in enumerate(numbers):
            fakes.write_record(out, Cell(dataset, protocol, Weights(row, 'scratch'), seed, 'debug'), value)
    return load_records(out)


@pytest.mark.parametrize('dataset, better', [('lip', 1), ('shanghaitech_a', -1)])
@pytest.mark.parametrize('ours, theirs, verdict, direction', [
    ((0.60, 0.64), (0.50, 0.52), 'holds', 1),
    ((0.50, 0.52), (0.60, 0.64), 'against', -1),
    ((0.60, 0.64), (0.58, 0.60), 'unclear', 1),  # 0.03 apart, 0.04 of scatter
    ((0.60, 0.60), (0.60, 0.60), 'unclear', 0),
    ((0.60, ), (0.50, ), 'unclear', 1)])
def test_a_verdict_needs_means_further_apart_than_the_seeds_scatter(tmp_path, dataset, better, ours, theirs, verdict,
                                                                    direction):
    if better < 0:
        ours, theirs = theirs, ours
    found, = findings({'': measure(tmp_path, {('path', 'full'): ours, ('scratch', 'full'): theirs}, dataset)}, CLAIMS)
    assert (found.verdict, found.direction) == (verdict, direction)
    assert found.claim is (SCRATCH if better > 0 else UNSEEN)
    assert found.difference.gain * direction >= 0


@pytest.mark.parametrize('dataset, full, partial, verdict', [
    ('pa100k', (0.80, 0.81), (0.85, 0.86), 'holds'),  # published: 85.0 and 86.9
    ('pa100k', (0.85, 0.86), (0.80, 0.81), 'against'),
    ('lip', (0.85, 0.86), (0.80, 0.81), 'holds'),  # 61.4 and 60.0
    ('lip', (0.80, 0.81), (0.85, 0.86), 'against'),
    ('shanghaitech_a', (5.0, 5.1), (6.0, 6.1), 'open'),  # nothing published under partial
    ('shanghaitech_a', (5.0, 6.0), (5.5, 6.1), 'unclear')])
def test_protocols_should_rank_as_published(tmp_path, dataset, full, partial, verdict):
    found, = findings({'': measure(tmp_path, {('path', 'full'): full, ('path', 'partial'): partial}, dataset)}, CLAIMS)
    assert found.claim is PROTOCOLS and found.verdict == verdict
    assert (found.published is None) == (dataset == 'shanghaitech_a')


@pytest.mark.parametrize('seeds', [2, 3, 5])
def test_the_rate_of_clear_differences_by_chance_is_that_of_a_simulation(seeds):
    sides = np.random.default_rng(seeds).normal(size=(2, 100_000, seeds))
    apart = np.abs(np.subtract(*sides.mean(-1))) > np.ptp(sides, axis=-1).max(0)
    assert chance_of_clear(seeds) == pytest.approx(apart.mean(), abs=0.005)
    assert chance_of_clear(seeds) > chance_of_clear(seeds + 1)


# ------------------------------------------------------------------------------------- stages, levels and own tests
STAGES = Study('hcmoco/hcmoco_debug.py', {
    'after': Variant('stage2', after='first'), 'first': Variant(rows=None)}, ('lip', 'pa100k'), ('full', ), (
        Claim('Points', 'The second stage finds points', (Pair('px', ('after', OWN), ('first', OWN)), ), 'point_error'),
        Claim('Any', 'It leads', (Pair('full', ('after', 'full'), ('scratch', 'full')), ))), 3,
    {'100 %': dict(lip=9, pa100k=8), '10 %': dict(lip=1)})


def test_a_second_stage_goes_on_from_the_first_of_its_seed(tmp_path):
    one = Experiment(tmp_path, STAGES)
    assert STAGES.waves() == [['first'], ['after']]
    for seed in (0, 1):
        first, after = one.pretrainings(seed)
        assert (first.name, first.weights, after.weights) == ('first', '', str(first.checkpoint))
    elsewhere = Experiment(tmp_path / 'b', STAGES).pretrainings(0)[1]  # a folder that was moved is still finished
    assert elsewhere.checkpoint.parts[-3:] == one.pretrainings(0)[1].checkpoint.parts[-3:]
    other = Experiment(tmp_path, replace(STAGES, steps=4)).pretrainings(0)[1]
    assert other.checkpoint.parent != one.pretrainings(0)[1].checkpoint.parent


def test_levels_of_labels_are_measured_apart(tmp_path):
    one = Experiment(tmp_path, replace(STAGES, variants={'after': Variant()}), size='tiny')
    for x in one.pretrainings(0):
        weights.export(network(load_config(x.config, x.flavor, options=x.options)), x.checkpoint)
    plans = {level: one.plan(0, level) for level in STAGES.labels}
    assert {level: {x.cell.dataset for x in cells} for level, cells in plans.items()} == {
        '100 %': {'lip', 'pa100k'}, '10 %': {'lip'}}
    assert {x.overrides['sources.lip.dataset.indices'] for x in plans['10 %']} == {1}
    assert one.folder('100 %') != one.folder('10 %') and one.folder('') == tmp_path


@pytest.mark.parametrize('config', ['hcmoco/hcmoco_debug.py', 'path/path_debug.py', 'solider/solider_swin-t_debug.py'])
def test_a_study_of_another_size_reads_nothing_of_this_one(tmp_path, config):
    """However deep a reader is, and the test is still of another edition where the recipe's is."""
    read = load_config(config, options=Experiment(tmp_path, replace(STAGES, config=config), size='tiny')._roots_of(
        config, None)).to_dict()
    text = str(dict(read['sources'], **read.get('evaluations', {})))
    assert 'minihuman:tiny' in text and 'minihuman:small' not in text
    assert ('minihuman:tiny@1' in text) == ('minihuman:small@1' in str(load_config(config).to_dict()))


def write_own_tests(folder, values):
    """Records of pretrainings that have tested themselves."""
    for name, numbers in values.items():
        for seed, value in enumerate(numbers):
            write_json(folder / name / f'{seed}.json', dict(name=name, seed=seed, tests=dict(ntu_rgbd=dict(
                point_error=value, rank1=0.5))))
    return sorted(folder.glob('*/*.json'))


def test_what_pretrainings_say_of_themselves_is_compared(tmp_path):
    files = write_own_tests(tmp_path, dict(after=(2.0, 2.5), first=(9.0, 9.5)))
    own = {'point_error': own_records(files, 'point_error')}
    found, = findings({}, STAGES.claims, own)
    assert found.verdict == 'holds' and found.difference.gain == pytest.approx(7.0)  # fewer pixels are better
    with pytest.raises(UserError, match="'mIoU'.*point_error, rank1"):
        own_records(files, 'mIoU')


def test_what_the_dial_does_is_measured_once(tmp_path, monkeypatch):
    study = STUDIES['solider']()
    made = Experiment(tmp_path, study, steps=2)
    checkpoint = next(x.checkpoint for x in made.pretrainings(0) if x.name == study.dial)
    checkpoint.parent.mkdir(parents=True)
    asked = []
    found = [Distances(0.0, 0.4, 0.7), Distances(1.0, 0.5, 0.6)]
    monkeypatch.setattr('humanbench.benchmark.fidelity.experiment.measure_dial',
                        lambda file, root: asked.append(file) or found)
    assert made.dials([0]) == made.dials([0]) == {0: found}
    assert asked == [checkpoint]


def test_other_evaluations_of_a_pretraining_are_rows_of_their_own(tmp_path):
    file = tmp_path / 'both' / RECORD
    write_json(file, dict(name='both', seed=0, tests=dict(all=dict(mIoU=0.5), colours_alone=dict(mIoU=0.4))))
    found = own_records([file], 'mIoU')
    assert [(x.weights, x.dataset, x.value) for x in found] == [
        ('both', 'all', 0.5), ('both, colours_alone', 'all', 0.4)]


def test_levels_and_own_tests_are_on_the_page(tmp_path):
    scratch = {('scratch', 'full'): (0.5, 0.5)}
    records = {level: measure(tmp_path / level, scratch | {('after', 'full'): (base, base + 0.01)})
               for level, base in (('100 %', 0.6), ('10 %', 0.4))}
    files = write_own_tests(tmp_path / 'own', dict(after=(2.0, 2.5), first=(9.0, 9.5)))
    own = {'point_error': own_records(files, 'point_error')}
    for x in (x for some in records.values() for x in some):
        x.values.update(num_steps=5, device='a CPU', torch='2')
    text = measured(records, [dict(seconds=1800, steps=3)], 'humanbench fidelity x', STAGES, own)
    assert '| parsing (lip), mIoU, 100 % of the labels | +10.5 (1.0) **holds** |' in text
    assert '| parsing (lip), mIoU, 10 % of the labels | \N{MINUS SIGN}9.5 (1.0) **against** |' in text
    assert '### All values, 10 % of the labels' in text and 'Training records kept, 10 % of the labels: lip 1.' in text
    assert '| pretext (ntu_rgbd), point error (px) | +7.00 (0.50) **holds** |' in text
    assert '| after | 2.25 (2.00 to 2.50) |' in text


def test_a_row_may_be_another_network_of_its_file_for_each_dataset(tmp_path):
    for number, dataset in enumerate(('lip', 'pa100k')):
        file = tmp_path / f'{number}.pth'
        fakes.write_weights(file, number)
        fakes.write_record(tmp_path, Cell(dataset, 'full', Weights('after', f'path:{file}', per_seed=True), 0, 'debug'),
                           0.5)
    records = load_records(tmp_path)
    assert [x.dataset for x in summaries(records)] == ['lip', 'pa100k']
    with pytest.raises(UserError, match='set of weights differs'):
        summarise(records)


def test_curves_show_every_number_of_labels(tmp_path):
    scratch = {('scratch', 'full'): (0.5, 0.5)}
    records = {level: measure(tmp_path / level, scratch | {('after', 'full'): (base, base + 0.01)})
               for level, base in (('100 %', 0.6), ('10 %', 0.4))}
    draw_curves(records, STAGES, tmp_path / 'curves.svg')
    text = (tmp_path / 'curves.svg').read_text()
    assert all(f'>{x}<' in text for x in ('1', '9', 'after', 'scratch', 'parsing (lip)', 'images with labels', 'mIoU'))
    draw_curves(records, STAGES, tmp_path / 'again.svg')
    assert text == (tmp_path / 'again.svg').read_text()
    with pytest.raises(UserError, match='no curve'):
        draw_curves(records, STUDIES['path'](), tmp_path / 'none.svg')
    assert not (tmp_path / 'none.svg').exists()


# -------------------------------------------------------------------------------------------------------------- page
def test_the_page_says_what_was_measured_and_how(tmp_path):
    for seed in (0, 1):
        for row, low in (('path', 0.6), ('no_projector', 0.7), ('scratch', 0.5)):
            spec = 'scratch'
            if row != 'scratch':
                file = tmp_path / 'pretrain' / row / str(seed) / 'iter_7.pth'
                file.parent.mkdir(parents=True)
                fakes.write_weights(file, low + seed)
                spec = f'path:{file}'
            cell = Cell('lip', 'full', Weights(row, spec, per_seed=row != 'scratch'), seed, 'debug')
            fakes.write_record(tmp_path, cell, low + 0.01 * seed, seconds=600, num_steps=80, device='a CPU', torch='2')
    text = measured({'': load_records(tmp_path)}, [dict(seconds=1800, steps=7)] * 4,
                    'humanbench fidelity path --seeds 0 1', replace(
                        STUDIES['path'](), labels={'': dict(lip=12)}, finetuning=dict(rate=0.5)))
    assert 'Training records kept: lip 12.' in text and 'Changed in all finetuning: rate 0.5.' in text
    assert 'Finished seeds: 0, 1.' in text and 'lip 80.' in text
    assert '2.0 for 4 pretrainings of 7 steps' in text
    assert '1.0 for 6 cells' in text
    assert '+10.0 (1.0) **holds**' in text and '\N{MINUS SIGN}10.0 (1.0) **against**' in text
    assert '| 60.5 (60.0 to 61.0) |' in text
    assert f'| 1. {SCRATCH.text} | 1 | 1 of 1 | 1 | 0 | 0 | 0 |' in text
    assert f'| 3. {PROJECTOR.text} | 1 | 0 of 1 | 0 | 0 | 1 | 0 |' in text


def test_a_page_keeps_what_people_wrote(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{BEGIN}\nold\n{END}\nafter\n')
    insert('new', page)
    insert('newer', page)
    assert page.read_text() == f'before\n{BEGIN}\n\nnewer\n\n{END}\nafter\n'


@pytest.mark.parametrize('text', ['no marks', f'{END}\n{BEGIN}', BEGIN, f'{BEGIN}{END}{BEGIN}{END}', None])
def test_a_page_without_a_place_is_refused(tmp_path, text):
    page = tmp_path / 'page.md'
    if text is not None:
        page.write_text(text)
    with pytest.raises(UserError, match='no place|no page'):
        insert('new', page)
    assert text is None or page.read_text() == text


# ------------------------------------------------------------------------------------------------------ the real thing
@pytest.mark.slow
def test_a_pretraining_that_fails_says_why_and_where(tmp_path):
    broken = Pretraining('path', RECIPE, {'model.backbone.depht': 2}, 0, tmp_path)
    with pytest.raises(UserError, match="(?s)path, seed 0 ended: .*Did you mean 'depth'.*log.txt"):
        run_pretrainings([broken], 1)
    assert not (broken.checkpoint.parent / RECORD).exists()


SCRIPT = '''
import sys
from pathlib import Path
from humanbench.benchmark.pretraining import run_pretrainings
from tests.benchmark.test_fidelity import endless
if __name__ == '__main__':
    run_pretrainings([endless(Path(sys.argv[1]))], 1)
'''


def endless(out):
    """A pretraining that is killed before it ends, and saves every step."""
    one = experiment(out).pretrainings(0)[0]
    often = {'train_cfg.max_steps': 12, 'default_hooks.checkpoint.interval': 1, 'default_hooks.logger.interval': 1}
    return Pretraining(one.name, RECIPE, dict(one.options) | often, 0, out / 'pretrain')


@pytest.mark.slow
def test_a_pretraining_that_was_killed_goes_on(tmp_path, edition):
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    environment = os.environ | {'PYTHONPATH': str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment, stdout=subprocess.DEVNULL)
    one = endless(tmp_path)
    folder, deadline = one.checkpoint.parent, time.monotonic() + 600
    while len(checkpoints_in(folder)) < 1 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not one.checkpoint.exists() and checkpoints_in(folder)
    time.sleep(1)  # its worker ends with it
    reached = max(checkpoints_in(folder))
    run_pretrainings([one], 1)
    assert read_json(folder / RECORD)['steps'] == 12 and one.checkpoint.is_file()
    assert f'Going on from step {reached} of 12' in (folder / 'log.txt').read_text()


@pytest.mark.slow
def test_pretrained_measured_and_written_from_native_files(tmp_path, edition):
    one = experiment(tmp_path)
    assert one.finished([0]) == []
    outcome = one.run([0], 2)
    assert outcome.ok and len(outcome.done) == 3 * 5 + 4
    written = {x.checkpoint: x.checkpoint.stat().st_mtime_ns for x in one.pretrainings(0)}
    again = one.run([0], 2)
    assert not again.done and len(again.skipped) == 3 * 5 + 4
    assert written == {x: x.stat().st_mtime_ns for x in written}
    assert one.finished([0, 1]) == [0]  # of seed 1 there is nothing
    records = one.records([0])['']
    assert len(records) == 19 and {x.seed for x in records} == {0}
    assert {x.values['num_steps'] for x in records if x.protocol != 'direct'} == {2}
    assert all(x.verdict == 'unclear' for x in findings({'': records}, CLAIMS))  # one seed tells nothing
    assert read_json(next(iter(written)).parent / RECORD)['steps'] == 2
    assert 'Finished seeds: 0.' in measured(
        {'': records}, one.pretrained([0]), 'humanbench fidelity path --seeds 0', one.study)
    (tmp_path / 'cells' / next((tmp_path / 'cells').glob('*.json')).name).unlink()
    assert one.finished([0]) == []  # a seed that lacks a cell is no repetition
