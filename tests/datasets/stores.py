"""An HTTP server on loopback, from the script that measures storage; it serves badly where a test wants it to."""
import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    'store', Path(__file__).parents[2] / 'tools' / 'speed' / '_store.py')
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

FAULTS, Store, serve = _module.FAULTS, _module.Store, _module.serve
