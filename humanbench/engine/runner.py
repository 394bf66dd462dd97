"""MMEngine's runner with HumanBench's parts in place."""
import logging
import platform
from pathlib import Path

import torch
from mmengine.device import get_device
from mmengine.dist import broadcast_object_list, master_only
from mmengine.runner import CheckpointLoader, Runner
from torch import nn

from ..errors import CheckpointError, UserError
from ..registry import RUNNERS
from ..weights.files import read_content, read_file
from ..weights.folder import newest, read_meta, resolve
from .costs import CostTable
from .hooks import ProgressHook, ShardedCheckpointHook
from .lost import LostRanks
from .recipe import check_same_recipe, describe
from .state import TrainingState

# said at every start by libraries to their own developers; nothing a user can act on
_NOISE = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias', 'The prefix is not set in metric class',
          'Distributed training is not used')


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_NOISE)


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_checkpoint_file(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read a checkpoint of plain values and tensors; one that needs more is refused (CheckpointError)."""
    return read_content(filename, map_location)


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
        """Keep the whole config as ``config.py``; ``mim`` finds a config by its file name and must not find this.

        A test in the work folder of a training leaves that of the training.
        """
        path = Path(self.work_dir) / 'config.py'
        if self.cfg.get('train_cfg') or not path.exists():
            self.cfg.dump(str(path))

    def train(self) -> nn.Module:
        """Train; a save that has begun is finished also where training fails, unless other processes are gone.

        Raises:
            UserError: nothing of the config trains.
        """
        if not self.cfg.get('train_cfg'):
            raise UserError(f"{self.cfg.get('protocol') or 'the config'}: there is nothing to train. Expected "
                            'optim_wrapper and train_cfg, and not the protocol direct.')
        try:
            return super().train()
        except LostRanks:
            raise
        except BaseException:
            self._close_hooks(ShardedCheckpointHook)
            raise
        finally:
            self._close_hooks(ProgressHook)

    def _close_hooks(self, kind: type) -> None:
        for hook in self.hooks:
            if isinstance(hook, kind):
                hook.close()

    def load_or_resume(self) -> None:
        """Load or resume as asked; a work folder without a checkpoint is a new run, and that is said."""
        if self._has_loaded or not self._resume:
            super().load_or_resume()
            return
        found = [str(self._load_from or newest(self.work_dir) or '')]
        broadcast_object_list(found)  # all ranks go on from what the first has found
        if found[0]:
            self.resume(found[0])
        else:
            self.logger.warning('Nothing to resume: there is no checkpoint in %s. Training starts at step 0.',
                                self.work_dir)
            self._resume = False

    def resume(self, filename: str | Path) -> None:
        """Go on from a checkpoint of the same recipe, written by any number of processes.

        Args:
            filename: a checkpoint folder, a work folder (its newest), or the file that a run leaves at its end.

        Raises:
            CheckpointError: it is damaged, of another recipe, or holds weights alone and is not the end of the run.
        """
        path = resolve(filename)
        if path.is_file():
            self._resume_end(path)
        else:
            meta = read_meta(path)
            check_same_recipe(meta.get('recipe'), describe(self), str(path))
            self.optim_wrapper.begin_average()
            state = self.training_state()
            state.load(path, meta['training']['schedules'])
            loop = self.train_loop
            loop._iter = meta['iter']
            loop.costs = CostTable.from_dict(meta['training']['costs'], loop.costs.batch_sizes)
            loop.incidents.load(meta['training']['incidents'])
            loop.earlier_seconds = meta['training'].get('seconds', 0.0)  # checkpoints did not say it at first
            self.logger.info('Going on from step %s of %s: %s, saved by %s process(es).', meta['iter'], self.max_iters,
                             path, meta['training']['world_size'])
        self._has_loaded = True

    def training_state(self) -> TrainingState:
        """What this process would save now."""
        return TrainingState(self.train_loop.model, self.optim_wrapper.optimizer, self.param_schedulers or (),
                             self.optim_wrapper.average)

    def _resume_end(self, path: Path) -> None:
        """Take the weights of a run that is finished, and train no more."""
        loaded, model = read_file(path), self.train_loop.model
        check_same_recipe(loaded.metadata.get('recipe'), describe(self), str(path))
        step, own = loaded.metadata['iter'], model.state_dict()
        if step < self.max_iters:
            raise CheckpointError(f"'{path}' holds the weights of step {step} alone, not what training goes on with. "
                                  'Give a checkpoint folder (iter_N), or start a new run from it (`weights`).')
        missing = sorted(own.keys() - loaded.state.keys())
        if missing:
            raise CheckpointError(f"'{path}' lacks {len(missing)} of the model's tensors, '{missing[0]}' first.")
        model.load_state_dict({name: loaded.state[name] for name in own})
        self.train_loop._iter = step
        self.logger.info('This run is finished: all %s steps are done. The model is that of %s.', step, path)

    def get_hooks_info(self) -> str:
        """The hooks in one line, by falling priority."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)
