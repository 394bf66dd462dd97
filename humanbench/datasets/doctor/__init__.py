"""What is wrong with a dataset on disk: reads, and changes nothing but its own cache."""
from .check import Checked, Watch, check
from .problems import KINDS, NOTES, WRONG, Case, Problem, cases, without

__all__ = ['KINDS', 'NOTES', 'WRONG', 'Case', 'Checked', 'Problem', 'Watch', 'cases', 'check', 'without']
