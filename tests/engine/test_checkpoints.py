"""Checkpoint folders: nothing is lost, nothing is half, any number of processes goes on from them."""
import json
import os
import pickle
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch

from humanbench import cli, weights
from humanbench.engine.checkpoint import write_folder
from humanbench.engine.finetune import run_cell
from humanbench.engine.launch import build_runner
from humanbench.errors import CheckpointError, UserError
from humanbench.weights.folder import INDEX, META, checkpoints_in, newest, read_meta
from humanbench.weights.sharded import read_into, read_model, shapes

from .interrupted import Fault, Job, config, injected, train
from .toy import toy_config

UNITS = [('red', 0), ('red', 1), ('blue', 0), ('blue', 1)]
OPTIMIZERS = {
    'adamw': dict(type='AdamW', lr=1e-3, weight_decay=0.05), 'sgd': dict(type='SGD', lr=1e-2, momentum=0.9),
    'adafactor': dict(type='PathAdafactor', lr=1e-3, weight_decay=0.05)}


def equal(one: dict, two: dict) -> bool:
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


def everything(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint folder by full name."""
    state = {name: torch.empty(tuple(entry.size), dtype=entry.properties.dtype)
             for name, entry in shapes(folder).items()}
    read_into(folder, by_section(state))
    return state


def by_section(state: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    return {section: {name.removeprefix(f'{section}.'): value for name, value in state.items()
                      if name.startswith(f'{section}.')} for section in ('model', 'optimizer', 'groups', 'average')}


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.glob('.*')]


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> tuple[Path, dict]:
    """A run of six steps that nothing interrupts, saved at 2 and 4."""
    folder = tmp_path_factory.mktemp('whole') / 'run'
    return folder, train(Job(folder))


# ------------------------------------------------------------------------------------------------ saving and resuming
@pytest.mark.parametrize('optimizer', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path, optimizer):
    overrides = {'optim_wrapper.optimizer': dict(_delete_=True, **optimizer)}
    found = train(Job(tmp_path / 'run', overrides=overrides))
    resumed = train(Job(tmp_path / 'again', tmp_path / 'run' / 'iter_4', overrides=overrides))
    assert resumed['first'] == 4 and resumed['last'] == 6
    assert equal(resumed['start'], everything(tmp_path / 'run' / 'iter_4'))
    assert equal(resumed['end'], found['end']) and not equal(resumed['start'], found['end'])
    assert {name.split('.')[0] for name in found['end']} == {'model', 'optimizer', 'groups'}


def test_one_altered_tensor_is_noticed(whole, tmp_path):
    folder, found = whole
    name = 'optimizer.backbone.blocks.0.attn.qkv.weight.exp_avg'
    state = everything(folder / 'iter_4')
    state[name] = state[name] * 1.5
    altered = tmp_path / 'iter_4'
    write_folder(altered, by_section(state), lambda: shutil.copy(folder / 'iter_4' / META, altered))
    resumed = train(Job(tmp_path / 'again', altered))
    assert not equal(resumed['start'], everything(folder / 'iter_4')) and not equal(resumed['end'], found['end'])


def test_what_a_checkpoint_says(whole):
    meta = read_meta(whole[0] / 'iter_4')
    assert meta['iter'] == 4 and meta['seed'] == 3 and meta['recipe']['max_steps'] == 6
    assert meta['heads'] == dict(red='ReIDHead', blue='ReIDHead') and meta['projectors'] == dict(reid='LadderProjector')
    assert meta['training']['world_size'] == 1 and set(meta['training']['costs']['sources']) == {'red', 'blue'}
    assert meta['training']['schedules'][0]['last_step'] == 4
    text = (whole[0] / 'iter_4' / META).read_text() + str((whole[0] / 'iter_4' / INDEX).read_bytes())
    assert str(whole[0]) not in text  # nothing of the machine it was written on


def test_a_finished_run_leaves_one_file_and_says_that_it_is_finished(whole):
    folder, found = whole
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'iter_6.pth') and newest(folder).suffix == '.pth'
    content = torch.load(folder / 'iter_6.pth', weights_only=True)
    assert equal({f'model.{name}': x for name, x in content['state_dict'].items()},
                 {name: x for name, x in found['end'].items() if name.startswith('model.')})
    assert content['meta'] == {key: x for key, x in read_meta(folder / 'iter_4').items() if key != 'training'} | dict(
        iter=6)
    before = (folder / 'iter_6.pth').stat().st_mtime_ns
    again = train(Job(folder, 'auto', overrides={'log_level': 'INFO'}))
    assert again['first'] == 6 and not again['error'] and (folder / 'iter_6.pth').stat().st_mtime_ns == before
    logs = '\n'.join(file.read_text() for file in folder.glob('*/*.log'))
    assert f"This run is finished: all 6 steps are done. The model is that of {folder / 'iter_6.pth'}." in logs


@pytest.mark.parametrize(('options', 'left'), [
    (dict(interval=1, max_keep_ckpts=2), [4, 5]), (dict(interval=2, max_keep_ckpts=-1), [2, 4]),
    (dict(interval=1, max_keep_ckpts=1, keep_every=2), [2, 4, 5]),
    (dict(interval=4, max_keep_ckpts=1, milestones=[1, 3]), [1, 3, 4]), (dict(interval=-1), [])])
def test_the_latest_and_the_milestones_are_kept(tmp_path, options, left):
    train(Job(tmp_path, overrides={'default_hooks.checkpoint': dict(_delete_=True, **options)}))
    assert list(checkpoints_in(tmp_path)) == left and not hidden(tmp_path)


def test_a_run_removes_no_checkpoint_of_another_in_the_same_folder(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / 'run')
    overrides = {'default_hooks.checkpoint': dict(interval=1, max_keep_ckpts=1)}
    train(Job(tmp_path / 'run', tmp_path / 'run' / 'iter_2', faults=[Fault('terminate', 0, 3)], overrides=overrides))
    assert list(checkpoints_in(tmp_path / 'run')) == [3, 4]  # 2 was its own, 4 is of the run before
    assert newest(tmp_path / 'run').name == 'iter_3'


def test_keep_every_needs_steps_that_are_saved(tmp_path):
    with pytest.raises(UserError, match='keep_every=3.*every 2'):
        build_runner(toy_config(tmp_path, **{'default_hooks.checkpoint': dict(interval=2, keep_every=3)}))


def test_a_moved_work_folder_is_resumed(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / 'moved')
    (tmp_path / 'moved' / 'last_checkpoint').write_text('somewhere/else/iter_4')
    assert newest(tmp_path / 'moved') == tmp_path / 'moved' / 'iter_4'
    (tmp_path / 'moved' / 'last_checkpoint').unlink()
    (tmp_path / 'moved' / 'iter_4' / INDEX).unlink()
    assert newest(tmp_path / 'moved') == tmp_path / 'moved' / 'iter_2'


# ------------------------------------------------------------------------------------------------------------- faults
def test_a_full_disk_is_a_clear_error_and_leaves_the_checkpoint_before(whole, tmp_path):
    found = train(Job(tmp_path, faults=[Fault('full_disk', 0, 4)]))
    assert found['error'].startswith('CheckpointError: Step 4 is not saved.') and 'No space left' in found['error']
    assert f"'{tmp_path / 'iter_2'}' is whole" in found['error'] and found['last'] in (4, 5)
    assert newest(tmp_path) == tmp_path / 'iter_2' and list(checkpoints_in(tmp_path)) == [2] and not hidden(tmp_path)
    assert equal(train(Job(tmp_path, 'auto'))['end'], whole[1]['end'])


def test_a_full_disk_at_the_end_leaves_no_half_file(tmp_path, monkeypatch):
    def fill(content, file):
        file.write(b'half')
        raise RuntimeError('unexpected pos') from OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', fill)
    found = train(Job(tmp_path, overrides={'default_hooks.checkpoint': dict(interval=-1)}))
    assert 'iter_6.pth' in found['error'] and not list(tmp_path.glob('iter*')) and not hidden(tmp_path)


def test_a_request_to_stop_saves_the_step_and_ends_well(whole, tmp_path):
    found = train(Job(tmp_path, faults=[Fault('terminate', 0, 3)]))
    assert found['stopped'] == 'SIGTERM' and found['last'] == 3 and not found['error']
    assert newest(tmp_path) == tmp_path / 'iter_3' and not (tmp_path / 'iter_6.pth').exists()
    assert equal(train(Job(tmp_path, 'auto'))['end'], whole[1]['end'])


def test_a_benchmark_cell_that_is_told_to_stop_gives_no_result_and_goes_on(tmp_path, edition, monkeypatch):
    class Ended(Exception):
        """In place of the end of the process."""

    def end(number: int) -> None:
        raise Ended(number)

    data = 'minihuman:tiny'
    arguments = ('benchmark/attribute/pa100k.py', 'head', 'scratch', 0, 'debug', str(tmp_path), {
        'train_cfg.max_steps': 4, 'sources.pa100k.dataset.root': data, 'evaluations.pa100k.dataset.root': data})
    monkeypatch.setattr(signal, 'raise_signal', end)
    with injected([Fault('terminate', 0, 2)]), pytest.raises(Ended, match=str(int(signal.SIGTERM))):
        run_cell(*arguments)
    assert list(checkpoints_in(tmp_path)) == [2]
    assert run_cell(*arguments)['num_steps'] == 4
    logs = [file.read_text() for file in sorted(tmp_path.glob('*/*.log'))]
    assert any(f"Going on from step 2 of 4: {tmp_path / 'iter_2'}" in log for log in logs)


def test_what_a_killed_run_had_begun_is_cleared_away(whole, tmp_path):
    shutil.copytree(whole[0] / 'iter_2', tmp_path / 'iter_2')
    shutil.copytree(whole[0] / 'iter_4', tmp_path / '.iter_4.tmp')
    found = train(Job(tmp_path, 'auto'))
    assert found['first'] == 2 and not hidden(tmp_path) and equal(found['end'], whole[1]['end'])


# ------------------------------------------------------------------------------------------------- damaged and foreign
def damaged(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole[0] / 'iter_4', tmp_path / 'iter_4'))


def test_a_damaged_checkpoint_is_refused(whole, tmp_path):
    folder = damaged(whole, tmp_path)
    part = folder / '__0_0.distcp'
    content = part.read_bytes()
    part.write_bytes(content[:len(content) // 2])
    with pytest.raises(CheckpointError, match='__0_0.distcp.* missing or shorter'):
        read_model(folder)
    part.write_bytes(bytes(len(content)))
    with pytest.raises(CheckpointError, match='cannot be read'):
        read_model(folder)
    part.write_bytes(content)
    assert read_model(folder)
    (folder / META).write_text('{')
    with pytest.raises(CheckpointError, match='meta.json.* is damaged'):
        read_meta(folder)
    (folder / META).write_text(json.dumps(dict(training=dict(format=1))))
    with pytest.raises(CheckpointError, match='has format 1'):
        read_meta(folder)


class Runs:
    """Would run a command when it is unpickled."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_nothing_in_a_checkpoint_is_run(whole, tmp_path):
    folder = damaged(whole, tmp_path)
    (folder / INDEX).write_bytes(pickle.dumps(Runs(f'touch {tmp_path}/run')))
    with pytest.raises(CheckpointError, match="system', which could run code"):
        read_model(folder)
    assert not (tmp_path / 'run').exists()
    pickle.loads((folder / INDEX).read_bytes())  # it would have been
    assert (tmp_path / 'run').exists()


def test_a_checkpoint_of_another_model_is_refused(whole, tmp_path):
    runner = build_runner(toy_config(tmp_path, **{'model.backbone.depth': 3}))
    with pytest.raises(CheckpointError, match="holds no 'model.backbone.blocks.2"):
        read_into(whole[0] / 'iter_4', dict(model=runner.model.state_dict()))
    with pytest.raises(CheckpointError, match=r'has shape \(6, 16\) in the checkpoint .* \(7, 16\)'):
        read_into(whole[0] / 'iter_4', dict(model={'heads.red.classifier.weight': torch.empty(7, 16)}))


# ------------------------------------------------------------------------------------------------------------- sharing
def test_a_checkpoint_is_exported_with_its_modules(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.setattr(sys, 'argv', ['humanbench'])
    with pytest.raises(SystemExit) as stop:
        cli.main(['export', str(whole[0] / 'iter_4'), str(tmp_path / 'all.pth'), '--modules', str(tmp_path / 'parts')])
    assert not stop.value.code
    modules = ('backbone', 'projectors/reid', 'heads/red', 'heads/blue')
    names = {'all.pth', *(f'parts/{module}.pth' for module in modules)}
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*') if path.is_file()}
    assert files == names and set(capsys.readouterr().out.split()) == {str(tmp_path / name) for name in names}
    state = read_model(whole[0] / 'iter_4')
    content = torch.load(tmp_path / 'all.pth', weights_only=True)
    assert equal(content['state_dict'], state) and content['meta']['iter'] == 4
    parts = [torch.load(tmp_path / name, weights_only=True)['state_dict'] for name in names - {'all.pth'}]
    assert equal({key: value for part in parts for key, value in part.items()}, state)


def test_every_form_of_a_checkpoint_loads_alike(whole, tmp_path):
    folder = whole[0]
    end, = weights.export_checkpoint(folder, tmp_path / 'end')  # the newest of a work folder: the file at its end
    assert equal(torch.load(end)['state_dict'], torch.load(folder / 'iter_6.pth')['state_dict'])
    path, = weights.export_checkpoint(folder / 'iter_4', tmp_path / 'four.pth')
    models = []
    for spec in (str(path), f'path:{path}', str(folder / 'iter_4'), f"path:{folder / 'iter_4'}"):
        made = config(Job(tmp_path / 'other', overrides=dict(seed=9)))
        model = build_runner(made).model
        report = weights.load_into(model, spec, parts=('backbone', 'projectors', 'heads'))
        assert not report.missing and not report.ignored
        models.append(model.state_dict())
    assert all(equal(model, models[0]) for model in models) and equal(models[0], read_model(folder / 'iter_4'))
    assert weights.sha256(str(folder / 'iter_4')) == weights.sha256(f"path:{folder / 'iter_4'}")
    assert weights.sha256(str(folder / 'iter_4')) != weights.sha256(str(folder / 'iter_2'))


def test_what_cannot_be_exported_is_said(whole, tmp_path):
    for path, words in ((tmp_path / 'none', 'There is no checkpoint'), (tmp_path, 'neither a complete checkpoint')):
        with pytest.raises(CheckpointError, match=words):
            weights.export_checkpoint(path, tmp_path / 'out.pth')
    torch.save(dict(weight=torch.zeros(1)), tmp_path / 'foreign.pth')
    with pytest.raises(CheckpointError, match='convert_weights'):
        weights.export_checkpoint(tmp_path / 'foreign.pth', tmp_path / 'out.pth', tmp_path / 'parts')
    with pytest.raises(CheckpointError, match="newest checkpoint, .*iter_6.pth"):
        weights.load_into(torch.nn.Linear(1, 1), str(whole[0]))
