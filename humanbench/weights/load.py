"""Loading named weights into a model."""
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from humanbench.errors import CheckpointError, unknown_name
from humanbench.models.backbones import LastStage, SemanticSwin, TimmSwin, TimmViT

from . import hcmoco, solider, swin
from .architecture import turned
from .fit import Fit, check_whole, fit
from .mae import decoder_of
from .report import LoadReport
from .source import Source, open_source, sha256
from .spec import WeightSpec, parse
from .timm import network_names

_PARTS = ('backbone', 'projectors', 'heads')


def load_into(model: nn.Module, spec: str, parts: Sequence[str] = ('backbone',), all_here: bool = True) -> LoadReport:
    """Put named weights into parts of a model. Either every part loads or nothing changes.

    Args:
        model: a HumanModel (with ``backbone``, ``projectors``, ``heads``), or a bare backbone.
        spec: the weight string, see :mod:`humanbench.weights`.
        parts: what to load: ``backbone``, ``projectors``, ``heads``, or one of these: ``projectors.TASK``,
            ``heads.SOURCE``.
        all_here: whether the model has all parts of its recipe. Else, as on one of several ranks, a part of which
            nothing is in the file is left as it is: the report says what matched.

    Raises:
        UserError: unknown scheme or part.
        CheckpointError: unreadable or unfit file, or nothing in it is for a wanted part.
    """
    parsed = parse(spec)
    targets = {name: module for part in parts for name, module in _modules(model, part).items()}
    if parsed.scheme == 'scratch':
        names = [_full(model, name, key) for name, module in targets.items() for key in module.state_dict()]
        return LoadReport(spec, 'random initialisation', sha256(spec), missing=names)
    backbone = getattr(model, 'backbone', model)
    targets |= _regions(model, targets)
    source = _for_backbone(_from_teacher(open_source(parsed), targets), backbone)
    source = _for_encoders(_for_pretexts(source, targets, f"'{parsed}'"), targets)
    source = _for_regions(source, targets)
    depth = _depth_encoders(model, targets, source)
    source, targets = _as_backbone(source, depth), targets | depth
    fits = {name: _fit_part(source, name, module, parsed) for name, module in targets.items()}
    for part in parts if all_here else ():
        _refuse_nothing(part, targets, fits, source, parsed)
    if parsed.semantic is not None:
        own = dict(type=type(backbone), semantic=getattr(backbone, 'semantic', None))
        backbone.semantic = turned(own, parsed)['semantic']
    for name, module in targets.items():
        module.load_state_dict(fits[name].load, strict=False)
    return _report(spec, model, source, fits)


def _for_backbone(source: Source, backbone: nn.Module) -> Source:
    """The weights by the names of the backbone that takes them: our plain ViT's, SOLIDER's, or those of timm's own
    network."""
    if isinstance(backbone, SemanticSwin):
        return _for_semantic_swin(source, backbone)
    if not isinstance(backbone, (TimmSwin, TimmViT)) or not source.timm_state:
        return source
    state = network_names(source.timm_state, backbone)
    return replace(source, state={f'backbone.{key}': value for key, value in state.items()}, notes=source.timm_notes)


def _for_semantic_swin(source: Source, backbone: SemanticSwin) -> Source:
    """The weights by mmdet's names, also of a Swin by timm's; what one should know where they have no controllers."""
    notes = list(source.notes)
    if swin.recognise(source.timm_state):
        notes += solider.notes(source.timm_state)
        source = replace(source, state=solider.convert(source.timm_state))
    if backbone.semantic is not None and not any('semantic_embed_w.' in key for key in source.state):
        notes.append('the weights have no controllers: those of the network keep their first values. A network without '
                     'them computes what these weights were trained in: model.backbone.semantic=None')
    return replace(source, notes=notes)


def _from_teacher(source: Source, targets: Mapping[str, nn.Module]) -> Source:
    """The weights with the teacher's backbone for ours, where a pretraining run has a teacher and only its backbone is
    wanted: the teacher is what such a run makes, the student what it goes on from.

    Raises:
        CheckpointError: several heads have a teacher.
    """
    teachers = solider.teachers_in(source.state)
    if 'backbone' not in targets or not teachers or any(f'heads.{name}' in targets for name in teachers):
        return source
    name = solider.only_teacher(teachers)
    teacher = solider.teacher_of(source.state, name)
    state = {key: value for key, value in source.state.items() if not key.startswith('backbone.')}
    state |= {key: value for key, value in teacher.items() if key.startswith('backbone.')}
    return replace(source, state=state, notes=[*source.notes, f'the backbone is that of the teacher in heads.{name}'])


def _regions(model: nn.Module, targets: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Each :class:`LastStage` of a head that is not wanted itself, where the backbone is: it goes on from there."""
    return {f'heads.{name}.{path}': stage for name, head in getattr(model, 'heads', {}).items()
            if 'backbone' in targets and f'heads.{name}' not in targets
            for path, stage in head.named_modules() if isinstance(stage, LastStage)}


def _for_regions(source: Source, targets: Mapping[str, nn.Module]) -> Source:
    """The weights with the backbone's last stage for each :class:`LastStage` of a wanted head that the file lacks."""
    names = {'.'.join(x for x in (name, path, own) if x): f'backbone.{there}'
             for name, module in targets.items() if name != 'backbone'
             for path, stage in module.named_modules() if isinstance(stage, LastStage)
             for own, there in stage.names_in_backbone().items()}
    found = {own: source.state[there] for own, there in names.items() if there in source.state}
    return replace(source, state=found | source.state) if found else source


def _for_pretexts(source: Source, targets: Mapping[str, nn.Module], where: str) -> Source:
    """The weights with the decoder of a masked autoencoder as part of each wanted head that has one.

    Raises:
        CheckpointError: the two decoders are not built alike. (That a size differs is found when they are fitted.)
    """
    decoder = decoder_of({key.removeprefix('backbone.'): value for key, value in source.state.items()})
    takers = {name: decoder_of(module.state_dict()) for name, module in targets.items() if name.startswith('heads.')}
    takers = {name: own for name, own in takers.items() if own}
    if not decoder or not takers:
        return source
    for name, own in takers.items():
        lacking, left = sorted(own.keys() - decoder.keys()), sorted(decoder.keys() - own.keys())
        if lacking or left:
            raise CheckpointError(
                f'{where} has another decoder than {name}: '
                + ' and '.join(f'{what} {len(keys)} of its parameters ({keys[0]}, ...)' for what, keys in
                               (('it lacks', lacking), ('the head has no place for', left)) if keys)
                + '. Build the head with the decoder of the file, or leave it out of weights_parts.')
    state = {key: value for key, value in source.state.items() if key.removeprefix('backbone.') not in decoder}
    for name in takers:
        state |= {f'{name}.{key}': value for key, value in decoder.items()}
    return replace(source, state=state)


def _for_encoders(source: Source, targets: Mapping[str, nn.Module]) -> Source:
    """The weights with what HCMoCo's authors keep beside the encoder of colours as part of each wanted head that has an
    encoder of depth."""
    takers = [name for name, head in targets.items() if name.startswith('heads.') and hasattr(head, 'depth_encoder')]
    found = {key: value for name in takers for key, value in hcmoco.head_state(source.state, name).items()}
    return replace(source, state=source.state | found) if found else source


def _depth_encoders(model: nn.Module, targets: Mapping[str, nn.Module], source: Source) -> dict[str, nn.Module]:
    """The encoder of depth of each head that is not wanted itself, where it is built as the backbone, which is wanted,
    and the weights have no such encoder: both begin alike."""
    if 'backbone' not in targets or hcmoco.has_depth(source.state):
        return {}
    sizes = _sizes(getattr(model, 'backbone', model))
    return {f'heads.{name}.depth_encoder': head.depth_encoder for name, head in getattr(model, 'heads', {}).items()
            if f'heads.{name}' not in targets and hasattr(head, 'depth_encoder')
            and _sizes(head.depth_encoder) == sizes}


def _sizes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}


def _as_backbone(source: Source, names: Iterable[str]) -> Source:
    """The weights with those of the backbone for each of these modules too."""
    found = {f'{name}.{key.removeprefix("backbone.")}': value for name in names
             for key, value in source.state.items() if key.startswith('backbone.')}
    return replace(source, state=source.state | found) if found else source


def _modules(model: nn.Module, part: str) -> dict[str, nn.Module]:
    """The modules of one wanted part, by dotted name."""
    kind, _, member = part.partition('.')
    if kind not in _PARTS:
        raise unknown_name('part of a model', part, _PARTS)
    if not hasattr(model, 'backbone'):
        if part != 'backbone':
            raise CheckpointError(f"'{part}' cannot be loaded into a bare {type(model).__name__}: it has no such part.")
        return {'backbone': model}
    if part == 'backbone':
        return {'backbone': model.backbone}
    members = dict(getattr(model, kind, None) or {})
    if member and member not in members:
        raise unknown_name(f'member of {kind}', member, members)
    return {f'{kind}.{name}': module for name, module in members.items() if not member or name == member}


def _full(model: nn.Module, name: str, key: str) -> str:
    return f'{name}.{key}' if hasattr(model, 'backbone') else key


def _fit_part(source: Source, name: str, module: nn.Module, parsed: WeightSpec) -> Fit:
    prefix = f'{name}.'
    state = {key.removeprefix(prefix): value for key, value in source.state.items() if key.startswith(prefix)}
    where = f"'{parsed}' ({name})"
    if name == 'backbone':
        _check_heads(source, module, where)
    grid = source.metadata.get('grid')
    fitted = fit(state, module, where, tuple(grid) if grid else None)
    if name == 'backbone' and fitted.load:
        check_whole(fitted, where)
    return fitted


def _check_heads(source: Source, module: nn.Module, where: str) -> None:
    blocks = getattr(module, 'blocks', None)
    ours = getattr(getattr(blocks[0], 'attn', None), 'num_heads', None) if blocks is not None else None
    theirs = source.metadata.get('num_heads')
    if ours and theirs and ours != theirs:
        raise CheckpointError(
            f'{where} has {theirs} attention heads; the model has {ours}. The sizes of the weights are the '
            'same, what they compute is not: build the model with the heads of the file.'
        )


def _refuse_nothing(part: str, targets: dict[str, nn.Module], fits: dict[str, Fit], source: Source,
                    parsed: WeightSpec) -> None:
    mine = [name for name in targets if name == part or name.startswith(f'{part}.')]
    if any(fits[name].load for name in mine) or not any(targets[name].state_dict() for name in mine):
        return
    raise CheckpointError(f"Nothing in '{parsed}' is for the model's {part} ({', '.join(mine)}). The file seems to be "
                          f'{source.seems}.')


def _report(spec: str, model: nn.Module, source: Source, fits: dict[str, Fit]) -> LoadReport:
    report = LoadReport(spec, source.family, source.sha256, notes=list(source.notes))
    for name, fitted in fits.items():
        report.matched += [_full(model, name, key) for key in fitted.load]
        report.missing += [_full(model, name, key) for key in fitted.missing]
        report.resized |= {_full(model, name, key): change for key, change in fitted.resized.items()}
    taken = {f'{name}.{key}' for name, fitted in fits.items() for key in fitted.load}
    report.ignored = [key if hasattr(model, 'backbone') else key.removeprefix('backbone.')
                      for key in source.state if key not in taken]
    inner = sorted({key.split('blocks.')[1].split('.', 1)[1] for key in report.ignored
                    if key.removeprefix('backbone.').startswith('blocks.')})
    if inner:
        report.notes.append(
            f"the file's blocks have parts that the model's lack ({', '.join(inner[:4])}): outputs differ from "
            'the original'
        )
    return report
