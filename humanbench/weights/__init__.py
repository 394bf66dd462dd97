"""Weights of every family behind one string: ``scratch``, ``timm:NAME``, ``mae:FILE``, ``clip:FILE``, ``dino:FILE``,
``path:FILE``, or a plain ``FILE`` that is recognised by its keys.
"""
from .convert import convert_file
from .export import export
from .load import load_into
from .report import LoadReport
from .source import sha256
from .spec import SCHEMES, WeightSpec, parse

__all__ = ['SCHEMES', 'LoadReport', 'WeightSpec', 'convert_file', 'export', 'load_into', 'parse', 'sha256']
