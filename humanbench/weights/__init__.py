"""Weights of every family behind one string: ``scratch``, ``timm:NAME``, ``mae:FILE``, ``clip:FILE``, ``dino:FILE``,
``path:FILE``, ``hap:FILE``, ``solider:FILE`` (or ``solider:FILE@semantic=LAMBDA``), ``hrnet:FILE``, ``hcmoco:FILE`` (or
``hcmoco:FILE@modality=depth``), or a plain ``FILE`` that is recognised by its keys. A FILE may be a checkpoint folder,
too.
"""
from .architecture import network_of, timm_network, turned
from .convert import convert_file
from .export import about, export, export_checkpoint, export_hap, export_hcmoco, export_solider
from .load import load_into
from .report import LoadReport
from .source import sha256
from .spec import SCHEMES, WeightSpec, parse

__all__ = ['SCHEMES', 'LoadReport', 'WeightSpec', 'about', 'convert_file', 'export', 'export_checkpoint', 'export_hap',
           'export_hcmoco', 'export_solider', 'load_into', 'network_of', 'parse', 'sha256', 'timm_network', 'turned']
