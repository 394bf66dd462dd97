"""MMEngine's runner with HumanBench's parts in place."""
import logging
import platform
from pathlib import Path

import torch
from mmengine.dist import master_only
from mmengine.runner import Runner

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

    @master_only
    def dump_config(self) -> None:
        """Keep the whole config as ``config.py``; ``mim`` finds a config by its file name and must not find this."""
        self.cfg.dump(str(Path(self.work_dir) / 'config.py'))

    def get_hooks_info(self) -> str:
        """The hooks in one line, by falling priority."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)
