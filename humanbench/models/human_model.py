"""One network for all tasks: backbone -> projector of the task -> head of the source."""
import inspect
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ..errors import UserError, unknown_name
from ..registry import MODELS
from ..seeds import keyed_torch
from ..structures import Features, HumanSample, scale_gradient
from .data_preprocessor import HumanDataPreprocessor
from .heads.base import BaseHead
from .pretext.base import BasePretext, Looked, Shared, View
from .pretext.teacher import TeacherPretext, followed
from .projectors.identity import IdentityProjector
from .tiling import predict_in_windows

MODES = ('loss', 'predict', 'tensor')


@MODELS.register_module()
class HumanModel(BaseModel):
    """A shared backbone, a projector per task, a head per source, and the routing between them.

    Args:
        backbone: config of the backbone.
        heads: config of each source's head. An optional entry ``projector`` names the projector it reads (default: the
            head's task).
        projectors: config of each projector, by task; None for none (:class:`IdentityProjector`), as in finetuning.
        drop_path: drop-path rate, or the rate of each task (tasks not named have 0); None for the backbone's own.
        data_preprocessor: config of the data preprocessor; its pad_size_divisor, mean and std default to
            those of the backbone.
        owned: sources whose heads (and projectors) are built, those that run in this process; None for all. Every
            part's first values are keyed by the part, so they do not depend on which others are built.
        test_cfg: ``flip_test`` (True): average a pose head's maps with those of the mirrored image.
    """

    def __init__(self, backbone: dict, heads: dict[str, dict], projectors: dict[str, dict] | None = None,
                 drop_path: float | dict[str, float] | None = None, data_preprocessor: dict | None = None,
                 test_cfg: dict | None = None, owned: Collection[str] | None = None):
        seed = torch.initial_seed()
        with keyed_torch(seed, 'backbone'):
            network = MODELS.build(backbone)
        preprocessor = dict(
            type=HumanDataPreprocessor, pad_size_divisor=network.patch_size, **network.normalisation)
        super().__init__(MODELS.build(preprocessor | (data_preprocessor or {})))
        self.backbone = network
        self.projectors, self.heads = nn.ModuleDict(), nn.ModuleDict()
        self.routes: dict[str, str] = {}  # source -> projector
        self._taught = False  # whether a pretext has a teacher, here or in another process
        for source, config in heads.items():
            self._add_head(source, dict(config), projectors, seed, owned is None or source in owned)
        self.drop_path = drop_path
        self.test_cfg = dict(flip_test=True)
        for name, value in (test_cfg or {}).items():
            if name not in self.test_cfg:
                raise unknown_name('test_cfg entry', name, self.test_cfg)
            self.test_cfg[name] = value
        self.frozen: set[str] = set()
        self._generator = torch.Generator()
        self.set_unit()

    def _add_head(self, source: str, config: dict, projectors: dict[str, dict] | None, seed: int,
                  owned: bool) -> None:
        """Add a source: its route, and, if it is owned here, its head with the projector it reads."""
        kind = config['type'] if inspect.isclass(config['type']) else MODELS.get(config['type'])
        if kind is None:
            raise UserError(f"Head '{config['type']}' of source '{source}' is not registered in MODELS.")
        route = config.pop('projector', kind.task)
        if issubclass(kind, BasePretext):
            projectors = None  # what is left of a masked image is no map that a projector could work on
        if projectors is not None and route not in projectors:
            raise unknown_name(f"projector of source '{source}'", route, projectors)
        self.routes[source] = route
        self._taught = self._taught or issubclass(kind, TeacherPretext)
        if not owned:
            return
        if route not in self.projectors:
            projector = dict(type=IdentityProjector) if projectors is None else projectors[route]
            with keyed_torch(seed, 'projectors', route):
                self.projectors[route] = MODELS.build(
                    dict(in_channels=self.backbone.out_channels, depth=self.backbone.depth, **projector))
        projector = self.projectors[route]
        given = dict(levels=projector.levels(self.backbone.levels)) if kind.reads_levels else {}
        with keyed_torch(seed, 'heads', source):
            head = MODELS.build(dict(in_channels=projector.out_channels, **given, **config))
        if isinstance(head, TeacherPretext):
            head.adopt(self.backbone)
        self.heads[source] = head

    def parts(self) -> dict[str, nn.Module]:
        """Modules by part, as far as built: ``backbone``, ``projectors.NAME``, ``heads.SOURCE``."""
        return {'backbone': self.backbone} | {f'projectors.{name}': x for name, x in self.projectors.items()} | {
            f'heads.{name}': x for name, x in self.heads.items()}

    def parts_of(self, source: str) -> tuple[str, str, str]:
        """The parts that a unit of ``source`` goes through."""
        return 'backbone', f'projectors.{self.routes[source]}', f'heads.{source}'

    def init_weights(self) -> None:
        """Nothing: every part is initialised where it is built, and weights may have been loaded since."""

    def set_unit(self, weight: float = 1.0, seed: int | None = None, shared: Shared | None = None,
                 looked: Looked | None = None) -> None:
        """Prepare for the next unit.

        Args:
            weight: factor of the gradient that the head sends to projector and backbone.
            seed: what the unit's drop path and views are drawn from; None goes on from the last draw.
            shared: what a pretext compares the unit with.
            looked: what the backbone has made of a pretext's unit already, by :meth:`look`.
        """
        self._weight, self._shared, self._looked = weight, shared, looked
        if seed is not None:
            self._generator.manual_seed(seed)

    def forward(self, inputs: Tensor, data_samples: list[HumanSample] | None = None,
                mode: str = 'tensor') -> dict[str, Tensor] | list[HumanSample] | Features:
        """One unit through its own route.

        Args:
            inputs: (B, 3, H, W), normalised.
            data_samples: B samples of one source.
            mode: ``'loss'`` (dict of losses), ``'predict'`` (samples with predictions) or ``'tensor'`` (the projector's
                features, or the backbone's where no samples say which task).
        """
        if mode == 'tensor' and data_samples is None:
            return self.backbone(inputs)
        source = self._source(data_samples)
        head = self.heads[source]
        if mode == 'tensor':
            return self._features(inputs, source)
        if isinstance(head, BasePretext):
            return self._pretext(head, source, inputs, data_samples, mode)
        if mode == 'loss':
            return head.loss(scale_gradient(self._features(inputs, source), self._weight), data_samples)
        if mode == 'predict':
            return self._predict(head, source, inputs, data_samples)
        raise unknown_name('mode', mode, MODES)

    def _source(self, samples: list[HumanSample]) -> str:
        """The source whose head the samples want; a model of one head takes any samples of its task."""
        source = samples[0].get('source')
        if source in self.heads:
            return source
        only = next(iter(self.heads))
        if len(self.heads) == 1 and samples[0].get('task') in (None, self.heads[only].task):
            return only
        raise unknown_name('source', str(source), self.heads)

    def _features(self, inputs: Tensor, source: str) -> Features:
        return self.projectors[self.routes[source]](self.backbone(inputs, self._condition(source)))

    def _condition(self, source: str) -> dict[str, Any]:
        """What the backbone is told about a source."""
        task = self.heads[source].task
        rate = self.drop_path.get(task, 0.0) if isinstance(self.drop_path, dict) else self.drop_path
        return dict(task=task, drop_path=rate, generator=self._generator)

    def _pretext(self, head: BasePretext, source: str, inputs: Tensor, samples: list[HumanSample],
                 mode: str) -> dict[str, Tensor] | list[HumanSample]:
        """One unit of a pretext, which says itself what the backbone looks at."""
        if mode == 'loss':
            looked = self._looked or self.look(inputs, samples)
            features = [scale_gradient(x, self._weight) for x in looked.features]
            return head.loss(features, samples, looked.views, self._shared)
        if mode != 'predict':
            raise unknown_name('mode', mode, MODES)
        with torch.no_grad():  # the same views of the same batch, whatever was done before
            looked = self.look(inputs, samples, torch.Generator().manual_seed(0))
            samples = head.predict(looked.features, samples, looked.views)
            for sample in samples:
                for name in ('pred_reconstruction', 'pred_view'):
                    if name in sample:
                        setattr(sample, name, self.data_preprocessor.pixels(sample.get(name)))
        return samples

    def look(self, inputs: Tensor, data_samples: list[HumanSample], generator: torch.Generator | None = None) -> Looked:
        """What the backbone makes of the views of a pretext's unit.

        Args:
            inputs: (B, 3, H, W), normalised.
            data_samples: B samples of one source.
            generator: that views are drawn from; None for the unit's.
        """
        source = self._source(data_samples)
        views = self.heads[source].views(inputs, data_samples, self._generator if generator is None else generator)
        return Looked(views, self.see(views, source))

    def see(self, views: Sequence[View], source: str) -> list[Features]:
        """Features of each view of a pretext's source."""
        if any('keep_ids' in view.condition for view in views) and not self.backbone.sees_parts:
            raise UserError(f"Source '{source}' shows the backbone some patches of an image, and a "
                            f'{type(self.backbone).__name__} looks at whole images. Take a HumanViT.')
        if any('semantic' in view.condition for view in views) and getattr(self.backbone, 'semantic', None) is None:
            raise UserError(f"Source '{source}' turns the backbone's semantic dial, and this "
                            f'{type(self.backbone).__name__} has none. Take a SemanticSwin with a lambda, or '
                            "semantic_draw='none'.")
        condition, projector = self._condition(source), self.projectors[self.routes[source]]
        features = self.backbone.forward_list([view.images for view in views],
                                              [condition | dict(view.condition) for view in views])
        return [projector(x) for x in features]

    def begin_step(self, progress: float) -> None:
        """Before the first unit of a training step, of which ``progress`` says what share of the run is done."""
        for head in self._with_teacher():
            head.begin_step(progress)

    def end_step(self) -> None:
        """After the optimiser's step: teachers follow. All processes call it."""
        if self._taught:
            weights = self._whole_backbone()
            for head in self._with_teacher():
                head.end_step(weights)

    def _whole_backbone(self) -> list[Tensor]:
        """What teachers follow of the backbone; gathered, by all processes together, where it is spread over them."""
        return [x.full_tensor() if isinstance(x, DTensor) else x for x in followed(self.backbone)]

    def restart_teachers(self, loaded: Iterable[str]) -> dict[str, int]:
        """After weights have been loaded, and before the backbone is spread over processes, let teachers start from
        them in all that was not loaded for a teacher itself.

        Args:
            loaded: names of the parameters and buffers that got values.

        Returns:
            How many entries that were, by teacher (``heads.SOURCE.teacher``).
        """
        loaded, restarted = list(loaded), {}
        for name, head in self.heads.items():
            if isinstance(head, TeacherPretext):
                prefix = f'heads.{name}.{head.teacher_name}'
                own = {x.removeprefix(f'{prefix}.') for x in loaded if x.startswith(f'{prefix}.')}
                restarted[prefix] = head.complete(self.backbone, own)
        return restarted

    def _with_teacher(self) -> list[TeacherPretext]:
        return [head for head in self.heads.values() if isinstance(head, TeacherPretext)]

    @torch.no_grad()
    def _predict(self, head: BaseHead, source: str, inputs: Tensor, samples: list[HumanSample]) -> list[HumanSample]:
        flips = self.test_cfg['flip_test'] and hasattr(head, 'unflip')
        if head.window is None and not flips:
            return head.predict(self._features(inputs, source), samples)

        def maps(images: Tensor) -> Tensor:
            return head(self._features(images, source))

        def whole(images: Tensor) -> Tensor:
            return maps(images) if head.window is None else predict_in_windows(maps, images, head.window)

        raw = whole(inputs)
        if flips:
            raw = (raw + head.unflip(whole(inputs.flip(-1)), samples)) / 2
        return head.decode(raw, samples)

    def freeze(self, names: Iterable[str], eval_mode: bool = True) -> None:
        """Stop training these parameters; a module left without any trainable one stays in eval mode from now on.

        Args:
            names: parameter names as :meth:`named_parameters` gives them.
            eval_mode: False leaves frozen modules in training mode.
        """
        parameters = dict(self.named_parameters())
        for name in names:
            if name not in parameters:
                raise unknown_name('parameter', name, parameters)
            parameters[name].requires_grad_(False)
        self.frozen = {path for path, module in self.named_modules()
                       if eval_mode and path and self._is_frozen(module)}
        self.train(self.training)

    @staticmethod
    def _is_frozen(module: nn.Module) -> bool:
        parameters = list(module.parameters())
        return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)

    def train(self, mode: bool = True) -> 'HumanModel':
        """Training mode for what trains: frozen modules keep their statistics and drop no path."""
        super().train(mode)
        for path in self.frozen:
            self.get_submodule(path).eval()
        return self
