"""PATH's 64-slot recipe, from the script that prints its figures."""
import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    'path_recipe', Path(__file__).parents[2] / 'tools' / 'speed' / '_path_recipe.py')
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

BATCH_STATISTICS = _module.BATCH_STATISTICS
ENTRIES = _module.ENTRIES
path_plan, path_traffic, recorded_costs = _module.path_plan, _module.path_traffic, _module.recorded_costs
