"""Which network a run is of, and what a recipe changes for its size.

A shipped network is a file of ``configs/_base_/models``: ``model.backbone``, and ``finetuning``, what its size changes
in a finetuning recipe, for ``all`` tasks, for one task, or for one dataset. Any other is named by its weights.
"""
import copy
import functools
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.utils import get_object_from_string

from .. import weights as weight_files
from ..errors import UserError, unknown_name
from ..models import HumanHRNet, HumanViT, SemanticSwin, TimmSwin, TimmViT
from ..models.backbones.semantic_swin import SEMANTIC, sizes_of
from ..models.backbones.timm_network import TimmNetwork, blank
from ..registry import MODELS
from ..resources import folder
from .estimate import forward_operations

DEEP = 24
"""Blocks from which on a ViT is trained like ViT-L, and SOLIDER's Swin like Swin-S."""
OF_TASK = {'SemanticSwin': ('strides', 'stages', 'semantic'), 'HumanHRNet': ('merged', 'momentum')}
"""Arguments that say how a task uses a network, not which one it is."""
_SIZES = ('embed_dim', 'depth', 'patch_size', 'num_heads')
_HRNET_SIZES = ('width', 'modules', 'blocks', 'first_width', 'first_blocks')


@dataclass(frozen=True)
class Backbone:
    """A network other than the recipe's own.

    Attributes:
        name: as people know it: ``vit_l``, ``timm:NAME``, ``ViT-1024x24/16``.
        network: config of the backbone.
        changes: what its size changes in a finetuning recipe: overrides by ``all``, task or dataset.
    """
    name: str
    network: Mapping[str, Any]
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def overrides(self, task: str, dataset: str) -> list[dict[str, Any]]:
        """What it changes in the recipe of one dataset, the most general first."""
        return [copy.deepcopy(dict(self.changes[key])) for key in ('all', task, dataset) if key in self.changes]

    def network_for(self, task: str, dataset: str) -> dict[str, Any]:
        """The network as the recipe of one dataset uses it: its strides may depend on the task."""
        changes = [x.get('model', {}).get('backbone', {}) for x in self.overrides(task, dataset)]
        return functools.reduce(lambda network, change: network | change, changes, copy.deepcopy(dict(self.network)))

    def plain(self) -> dict[str, Any]:
        """The network as plain values, for hashes."""
        return dict(self.network, type=_kind(self.network).__name__)


def choose(backbone: str | None, weights: str) -> Backbone | None:
    """The network that a command line asks for, or None where it leaves that to the recipe.

    Args:
        backbone: a file of ``configs/_base_/models`` by its name or path, ``timm:NAME``, or None: the weights say it.
        weights: what to start from.

    Raises:
        UserError: no such network.
        CheckpointError: the weights do not say what they are of.
    """
    if backbone is None:
        network = weight_files.network_of(weights)
        return None if network is None else of_network(network)
    if backbone.startswith('timm:'):
        return of_network(weight_files.timm_network(backbone.removeprefix('timm:')))
    return of_file(backbone)


def other_than(wanted: Backbone | None, own: Mapping[str, Any] | None) -> Backbone | None:
    """The wanted network, or None where it is the recipe's ``own``.

    Of SOLIDER's Swin and of an HRNet, a recipe that is made for it keeps what it says of its task (strides, stages,
    lambda; the merged map), unless the weights say one lambda for all.
    """
    if wanted is None or own is None:
        return wanted
    of_task = OF_TASK.get(_kind(own).__name__, ())
    if _kind(wanted.network) is not _kind(own) or not of_task:
        return None if same_network(wanted.network, own) else wanted
    kept = {key: own[key] for key in of_task if key in own}
    lambda_ = wanted.network.get('semantic', SEMANTIC)
    if not isinstance(lambda_, Mapping):
        kept['semantic'] = lambda_
    network = {key: value for key, value in wanted.network.items() if key not in of_task} | kept
    if same_network(network, own) and network.get('semantic', SEMANTIC) == own.get('semantic', SEMANTIC):
        return None
    return replace(wanted, network=network, changes={})


def of_network(network: Mapping[str, Any]) -> Backbone:
    """A network with the changes of the shipped one that it is nearest to."""
    if issubclass(_kind(network), TimmSwin):
        changes = of_file('swin_b').changes
    elif _kind(network) is SemanticSwin:
        debug = of_file('semantic_swin_debug')
        own = swin_sizes(network) == swin_sizes(debug.network)
        changes = (debug if own else of_file(_nearest_solider(network))).changes
    elif _kind(network) is HumanHRNet:
        changes = of_file('hrnet_debug' if _argument(network, 'width') < 16 else 'hrnet_w18').changes
    elif issubclass(_kind(network), (HumanViT, TimmViT)) and depth_of(network) >= DEEP:
        changes = of_file('vit_l').changes
    else:
        changes = {}
    return Backbone(name_of(network), network, changes)


def is_semantic(network: Mapping[str, Any]) -> bool:
    """Whether a backbone config is of SOLIDER's network."""
    return _kind(network) is SemanticSwin


def _nearest_solider(network: Mapping[str, Any]) -> str:
    sizes = swin_sizes(network)
    if sizes['embed_dims'] >= 128:
        return 'solider_b'
    return 'solider_s' if sum(sizes['depths']) >= DEEP else 'solider_t'


def swin_sizes(network: Mapping[str, Any]) -> dict[str, Any]:
    """Width, depths, heads and window of a config of SOLIDER's Swin."""
    return sizes_of(**{key: value for key, value in network.items() if key in ('arch', *sizes_of())})


def of_file(name: str) -> Backbone:
    """A network by the name or path of a config file."""
    shipped = {path.stem: path for path in sorted((folder('configs') / '_base_' / 'models').glob('*.py'))}
    path = shipped.get(name) or (Path(name) if Path(name).suffix == '.py' else None)
    if path is None or not path.is_file():
        raise unknown_name('backbone (expected one of these, timm:NAME, or a config file)', name, shipped)
    config = Config.fromfile(path, lazy_import=True)
    if 'backbone' not in config.get('model', {}):
        raise UserError(f"'{path}' says no backbone: expected model = dict(type=HumanModel, backbone=...), as in "
                        'configs/_base_/models.')
    content = config.to_dict()
    return Backbone(path.stem, content['model']['backbone'], content.get('finetuning', {}))


def same_network(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two backbone configs are of one network; image size and what depends on the task do not count."""
    if _kind(one) is not _kind(other):
        return False
    if _kind(one) is HumanViT:
        return all(_argument(one, key) == _argument(other, key) for key in (*_SIZES, 'mlp_ratio'))
    if _kind(one) is SemanticSwin:
        with_controllers = [network.get('semantic', SEMANTIC) is not None for network in (one, other)]
        return swin_sizes(one) == swin_sizes(other) and len(set(with_controllers)) == 1
    if _kind(one) is HumanHRNet:
        return all(_plain(_argument(one, key)) == _plain(_argument(other, key)) for key in _HRNET_SIZES)
    return {key: value for key, value in one.items() if key != 'type'} == {
        key: value for key, value in other.items() if key != 'type'}


def name_of(network: Mapping[str, Any]) -> str:
    """A name for people: that of a shipped config, ``timm:NAME``, or width x depth / patch (of a Swin, depths)."""
    for path in sorted((folder('configs') / '_base_' / 'models').glob('*.py')):
        if same_network(network, of_file(path.stem).network):
            return path.stem
    if network.get('name') and issubclass(_kind(network), TimmNetwork):
        return f"timm:{network['name']}"
    if _kind(network) is SemanticSwin:
        sizes, plain = swin_sizes(network), network.get('semantic', SEMANTIC) is None
        depths = '-'.join(map(str, sizes['depths']))
        return f"{'Swin' if plain else 'SemanticSwin'}-{sizes['embed_dims']}x{depths}"
    if _kind(network) is HumanHRNet:
        return f"HRNet-W{_argument(network, 'width')}-{'-'.join(map(str, _argument(network, 'modules')))}"
    sizes = [{**network, **(network.get('options') or {})}.get(key) for key in _SIZES[:3]]
    if None in sizes:
        return _kind(network).__name__
    extras = [text for key, text in (('pre_norm', 'pre-norm'), ('reg_tokens', 'registers'))
              if (network.get('options') or {}).get(key)]
    return '-'.join(['ViT', '{}x{}/{}'.format(*sizes), *extras])


def depth_of(network: Mapping[str, Any]) -> int:
    """Number of blocks of a plain ViT."""
    depth = {**network, **(network.get('options') or {})}.get('depth')
    if depth is None and network.get('name'):
        return len(blank(network['name']).blocks)
    return _argument(network, 'depth') if depth is None else depth


def operations(network: Mapping[str, Any]) -> float:
    """Floating-point operations of a network for one image of 256 x 192; nothing is allocated for it."""
    return _operations(json.dumps(dict(network, type=_kind(network).__name__), sort_keys=True))


@functools.lru_cache
def _operations(network: str) -> float:
    with torch.device('meta'):
        built = MODELS.build(json.loads(network)).eval()
    return forward_operations(built, (256, 192))


def _kind(network: Mapping[str, Any]) -> type:
    kind = network['type']
    found = kind if inspect.isclass(kind) else MODELS.get(str(kind).rpartition('.')[2])
    if found is None and '.' in str(kind):  # a module of one's own, which nobody has imported yet
        found = get_object_from_string(str(kind))
    if found is None:
        raise UserError(f"the backbone is a '{kind}', which is neither registered nor can be imported. Run where its "
                        'module is found (PYTHONPATH), or name the module in HUMANBENCH_IMPORT.')
    return found


def _plain(value: Any) -> Any:
    """A sequence as a tuple, whichever it was."""
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _argument(network: Mapping[str, Any], name: str) -> Any:
    """An argument of a network's constructor, given or by default."""
    return network[name] if name in network else inspect.signature(_kind(network)).parameters[name].default
