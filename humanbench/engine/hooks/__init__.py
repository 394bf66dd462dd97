"""Hooks around the training step."""
from .progress import MixtureLogProcessor, ProgressHook
from .recipe import RecipeHook

__all__ = ['MixtureLogProcessor', 'ProgressHook', 'RecipeHook']
