"""The mixture engine: what is in a step (plan), where it runs (placement), and how it trains (loop)."""
from . import hooks, loop, mixture, optim, runner  # noqa: F401  (they register what configs name)
