"""Leaderboards that several tests look at; made once, for reading a record costs little and planning some."""
import pytest

from humanbench.benchmark.report import write_report

from . import fakes

ROWS = {'path': 1.0, 'timm:vit_<b>"base"': 0.8, 'scratch': 0.1}


@pytest.fixture(scope='session')
def full_board(tmp_path_factory):
    """A full-size leaderboard with a hole: ``scratch`` has no ``partial`` on AIC."""
    out = tmp_path_factory.mktemp('full')
    fakes.write_board(out,
                      ROWS,
                      datasets=('market1501', 'coco_pose', 'aic', 'h36m_pose', 'atr', 'shanghaitech_a'),
                      skip=lambda dataset, protocol, row, seed: (dataset, protocol, row) ==
                      ('aic', 'partial', 'scratch'))
    write_report(out)
    return out


@pytest.fixture(scope='session')
def debug_board(tmp_path_factory):
    """A debug leaderboard of two rows with two seeds."""
    out = tmp_path_factory.mktemp('debug')
    fakes.write_board(out, {'path': 1.0, 'scratch': 0.1},
                      'debug',
                      datasets=('market1501', 'coco_pose', 'shanghaitech_a'),
                      seeds=(0, 1))
    write_report(out)
    return out
