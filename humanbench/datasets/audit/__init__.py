"""Whether images or people that a model is tested on are in what it was pretrained on."""
from .leaks import AUDIT_VERSION, audit, read_audit
from .search import nearest

__all__ = ['AUDIT_VERSION', 'audit', 'nearest', 'read_audit']
