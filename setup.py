"""Copies what lies beside the package (tools, configs, dataset cards) into it when a wheel or an sdist is built.

``mim`` and the console command look for them in ``humanbench/.mim`` of an installed package; an editable install uses
the checkout itself and needs nothing.
"""
import shutil
import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
PACKAGED = ROOT / 'humanbench' / '.mim'

if {'bdist_wheel', 'sdist'} & set(sys.argv):
    shutil.rmtree(PACKAGED, ignore_errors=True)
    for name in ('tools', 'configs', 'datasets_meta'):
        shutil.copytree(ROOT / name, PACKAGED / name, ignore=shutil.ignore_patterns('__pycache__'))
setup()
