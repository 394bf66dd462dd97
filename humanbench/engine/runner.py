"""MMEngine's runner with HumanBench's parts in place."""
import platform

import torch
from mmengine.runner import Runner

from ..registry import RUNNERS


@RUNNERS.register_module()
class HumanRunner(Runner):
    """MMEngine's runner; greets with two lines instead of the whole environment and config (kept in the work folder)."""

    def _log_env(self, env_cfg: dict) -> None:
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else f'CPU, {torch.get_num_threads()} threads'
        self.logger.info('Python %s, PyTorch %s, %s, %s process(es), seed %s', platform.python_version(),
                         torch.__version__, device, self._world_size, self._seed)
        self.logger.info('Work folder: %s', self.work_dir)

    def get_hooks_info(self) -> str:
        """The hooks in one line, by falling priority."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)
