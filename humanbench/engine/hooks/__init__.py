"""Hooks around the training step."""
from .checkpoint import ShardedCheckpointHook
from .progress import MixtureLogProcessor, ProgressHook
from .telemetry import TelemetryHook

__all__ = ['MixtureLogProcessor', 'ProgressHook', 'ShardedCheckpointHook', 'TelemetryHook']
