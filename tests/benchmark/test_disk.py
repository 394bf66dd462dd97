"""What a plan says of disk against what its cells write."""
import io

import pytest

from humanbench.benchmark.commands import plan_text
from humanbench.benchmark.disk import CellDisk, plan_disk, size_text
from humanbench.benchmark.plan import Weights, plan
from humanbench.benchmark.run import run_cells

from .cell_functions import quick_cell

SCRATCH = Weights('scratch', 'scratch')


def planned(out, datasets=('lip',), protocols=('full', 'partial', 'head'), flavor='debug', **options):
    return plan(datasets, protocols, [SCRATCH], [0], flavor, out, **options)


def test_what_trains_less_needs_less_and_what_is_done_needs_nothing(tmp_path):
    full, partial, head = plan_disk(planned(tmp_path), tmp_path).cells
    assert full.kept == partial.kept == head.kept  # the weights of the whole model
    assert full.running > partial.running > head.running > head.kept
    run_cells(planned(tmp_path, protocols=['full']), tmp_path, cell_function=quick_cell, stream=io.StringIO())
    assert plan_disk(planned(tmp_path), tmp_path).cells[0] == CellDisk(0, 0)


def test_vit_b_at_its_real_size(tmp_path, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    from humanbench import catalog
    (tmp_path / catalog.card('lip').layout.root).mkdir(parents=True)
    full, = plan_disk(planned(tmp_path, protocols=['full'], flavor=None), tmp_path).cells
    weights = full.kept / 4e6  # millions, of four bytes
    assert 85.8 < weights < 92  # the backbone and a parsing head
    assert full.running == pytest.approx(full.kept + 3 * 3 * full.kept, rel=0.01)  # three times weights and AdamW's two


def test_the_plan_says_what_is_needed_and_whether_it_fits(tmp_path, monkeypatch):
    text = plan_text(planned(tmp_path), tmp_path)
    assert 'Disk: ' in text and 'are free.' in text and 'NOT ENOUGH' not in text
    monkeypatch.setattr('shutil.disk_usage', lambda path: type('usage', (), dict(free=5_000_000)))
    assert '5.0 MB are free. THAT IS NOT ENOUGH.' in plan_text(planned(tmp_path), tmp_path)


def test_editions_that_are_not_there_are_counted(tmp_path, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    assert plan_disk(planned(tmp_path), tmp_path).data > 1_000_000
    from humanbench import catalog
    (tmp_path / 'minihuman' / 'small' / catalog.card('lip').layout.root).mkdir(parents=True)
    assert plan_disk(planned(tmp_path), tmp_path).data == 0


@pytest.mark.parametrize('size, text', [(6_000, '6.0 kB'), (5e6, '5.0 MB'), (2.44e9, '2.4 GB'), (137e9, '137 GB'),
                                        (9.99e14, '999 TB')])
def test_sizes_read_in_usual_units(size, text):
    assert size_text(size) == text


@pytest.mark.slow
def test_a_real_cell_writes_no_more_than_was_planned(tmp_path, edition):
    options = dict(protocols=['full'], datasets=['shanghaitech_a'], overrides={
        'train_cfg.max_steps': 4, 'default_hooks.checkpoint': dict(interval=1)})
    said, = plan_disk(planned(tmp_path, **options), tmp_path).cells
    outcome = run_cells(planned(tmp_path, **options), tmp_path, stream=io.StringIO())
    assert outcome.ok, outcome.failed
    files = {x: x.stat().st_size for x in (tmp_path / 'work').rglob('*') if x.is_file()}
    assert not list((tmp_path / 'work').glob('*/iter_*/')) or not any(x.parent.name.startswith('iter_') for x in files)
    weights = sum(size for path, size in files.items() if path.suffix == '.pth')
    assert weights == pytest.approx(said.kept, rel=0.1)

