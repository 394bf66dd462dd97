"""MMEngine's runner with HumanBench's parts in place."""
import logging
import platform
from pathlib import Path

import torch
from mmengine.device import get_device
from mmengine.dist import master_only
from mmengine.runner import Runner
from torch import nn

from ..registry import RUNNERS

# said at every start by libraries to their own developers; nothing a user can act on
_NOISE = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias', 'The prefix is not set in metric class',
          'Distributed training is not used')


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_NOISE)


@RUNNERS.register_module()
class HumanRunner(Runner):
    """MMEngine's runner; it greets with two lines, and keeps the whole config in the work folder."""

    def build_logger(self, *args, **kwargs) -> logging.Logger:
        """MMEngine's logger without the notices that only its developers can act on."""
        logger = super().build_logger(*args, **kwargs)
        logger.addFilter(_is_news)
        return logger

    def _log_env(self, env_cfg: dict) -> None:
        cpu = f'CPU, {torch.get_num_threads()} threads'
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else cpu
        self.logger.info('Python %s, PyTorch %s, %s, %s process(es), seed %s', platform.python_version(),
                         torch.__version__, device, self._world_size, self._seed)
        self.logger.info('Work folder: %s', self.work_dir)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """The model on its device and nothing around it: gradient groups reduce what ranks share."""
        return model.to(get_device())

    def _init_model_weights(self) -> None:
        """Nothing: every part is initialised where it is built; there is no one to get it from."""

    @master_only
    def dump_config(self) -> None:
        """Keep the whole config as ``config.py``; ``mim`` finds a config by its file name and must not find this."""
        self.cfg.dump(str(Path(self.work_dir) / 'config.py'))

    def load_or_resume(self) -> None:
        """Load or resume as asked; a work folder without a checkpoint is a new run, and that is said."""
        last = Path(self.work_dir) / 'last_checkpoint'
        if self._resume and self._load_from is None and not self._has_loaded and not last.exists():
            self.logger.warning('Nothing to resume: there is no checkpoint in %s. Training starts at step 0.',
                                self.work_dir)
            self._resume = False
        super().load_or_resume()

    def get_hooks_info(self) -> str:
        """The hooks in one line, by falling priority."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)
