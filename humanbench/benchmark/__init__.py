"""The benchmark: (dataset x protocol x weights x seed) cells planned, run, kept as records and laid side by side."""
from .plan import Cell, PlannedCell, Weights
from .report import write_report
from .results import Record, Summary, load_records, summarise
from .run import Outcome, run_cells

__all__ = [
    'Cell', 'Outcome', 'PlannedCell', 'Record', 'Summary', 'Weights', 'load_records', 'run_cells', 'summarise',
    'write_report'
]
