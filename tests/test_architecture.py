"""The house stays in order: imports point downward, files stay short, every door opens, nothing foreign is kept."""
import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from humanbench import cli

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'humanbench'
TOOLS = ROOT / 'tools'
MAX_LINES = 450

# What everything may use.
FOUNDATION = {'_compat', 'errors', 'registry', 'resources', 'structures', 'catalog', 'seeds', 'files', 'pool',
              'matlab', 'joints', 'joint_sets', 'canvas'}
# Every other room, and what it may import beside itself and the foundation.
ARROWS = {
    'models': set(), 'datasets': set(), 'evaluation': set(), 'minihuman': set(), 'protocols': set(), 'cli': set(),
    'weights': {'models'},
    'visualization': {'datasets'},
    'engine': {'models', 'datasets', 'protocols', 'weights'},
    'benchmark': {'engine', 'datasets', 'protocols', 'weights'},
    'apis': {'engine', 'models', 'datasets', 'protocols', 'weights', 'visualization'},
}
# The check of a config before launch lies beside the engine, whose grammar it knows.
ROOM_OF = {'schema': 'engine', 'signatures': 'engine', 'slots': 'engine'}
# A root 'minihuman:SIZE' makes the data on first use.
EXCEPTIONS = {('humanbench.datasets.roots', 'minihuman')}
# What is in a step and where it runs is decided without any network, picture or OpenMMLab library.
PURE = ('humanbench.engine.plan', 'humanbench.engine.placement', 'humanbench.engine.gradient_groups')
PURE_LIBRARIES = {'numpy', 'torch'}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob('*.py')) if '.mim' not in path.parts]


MODULES = {module_name(path): path for path in files(PACKAGE)}


def imports(tree: ast.AST, module: str, is_package: bool = False, later: bool = True) -> Iterator[str]:
    """Dotted names that a module imports: modules, and names in modules as ``module.name``.

    Args:
        tree: of its source.
        module: its own dotted name, from which relative imports count.
        is_package: whether it is an ``__init__``.
        later: also what is not imported with the module: in its functions, and for type checkers alone.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split('.')[:len(module.split('.')) - node.level + is_package] if node.level else []
            base = '.'.join([*parents, *([node.module] if node.module else [])])
            yield from (f'{base}.{alias.name}' for alias in node.names)
        elif later or not is_later(node):
            yield from imports(node, module, is_package, later)


def is_later(node: ast.AST) -> bool:
    """Whether imports in this node happen after that of the module, if ever."""
    if isinstance(node, ast.If):
        return 'TYPE_CHECKING' in ast.unparse(node.test)
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))


def imports_of(module: str, later: bool = True) -> list[str]:
    path = MODULES[module]
    return list(imports(ast.parse(path.read_text()), module, path.name == '__init__.py', later))


def room(name: str) -> str | None:
    """The room of a dotted name; None for other libraries and for the package itself."""
    top, *rest = name.split('.')
    if top != 'humanbench' or not rest or rest[0].startswith('__'):
        return None
    return ROOM_OF.get(rest[0], rest[0])


def wrong_arrows(module: str, imported: Iterable[str]) -> list[str]:
    """The imports of a module that do not point downward."""
    own = room(module)
    if own is None:  # the package itself does nothing but let the libraries run
        return [f'{module} imports {name}' for name in imported if room(name) not in (None, '_compat')]
    assert own in FOUNDATION | ARROWS.keys(), f"'{own}' is a new room: say in ARROWS what it may import"
    allowed = {own, None} | FOUNDATION | ARROWS.get(own, set())
    return [f'{module} imports {name}' for name in imported
            if room(name) not in allowed and (module, room(name)) not in EXCEPTIONS]


# ------------------------------------------------------------------------------------------------------------ arrows
@pytest.mark.parametrize('module', MODULES)
def test_imports_point_downward(module):
    assert not wrong_arrows(module, imports_of(module))


MADE_UP = {
    'a model that reads data': ('humanbench.models.heads.made_up', 'from ...datasets import LIP', True),
    'in a function': (
        'humanbench.datasets.made_up', 'def f():\n    from humanbench.models.heads import PoseHead', True),
    'in a method, as a module': (
        'humanbench.evaluation.made_up', 'class A:\n    def f(self):\n        import humanbench.models', True),
    'from the package': ('humanbench.minihuman.made_up', 'from .. import datasets', True),
    'from a package inside': ('humanbench.minihuman.writers', 'from ...datasets import roots', True),
    'a reader that draws its own data': ('humanbench.datasets.pose', 'from ..minihuman import ensure', True),
    'upward': ('humanbench.datasets.made_up', 'from ..engine.plan import Plan', True),
    'the foundation upward': ('humanbench.catalog', 'from .datasets import LIP', True),
    'the check of configs, from below': ('humanbench.models.made_up', 'from ..schema import check_config', True),
    'if only for types': (
        'humanbench.models.made_up', 'if TYPE_CHECKING:\n    from ..engine.loop import MixtureLoop', True),
    'the package itself': ('humanbench', 'from . import models', True),
    'the allowed exception': ('humanbench.datasets.roots', 'def f():\n    from ..minihuman import ensure', False),
    'downward': ('humanbench.engine.made_up', 'from ..models import HumanModel\nimport humanbench.errors', False),
    'beside': ('humanbench.models.heads.made_up', 'from ..losses import triplet\nfrom . import base', False),
    'other libraries': ('humanbench.models.made_up', 'import torch.utils.data\nfrom mmdet import datasets', False),
}


@pytest.mark.parametrize(('module', 'source', 'wrong'), MADE_UP.values(), ids=MADE_UP)
def test_a_made_up_module_with_a_wrong_import_is_caught(module, source, wrong):
    is_package = module in ('humanbench', 'humanbench.minihuman.writers')
    assert bool(wrong_arrows(module, imports(ast.parse(source), module, is_package))) == wrong


def test_a_new_room_needs_its_arrows():
    with pytest.raises(AssertionError, match="'attic' is a new room"):
        wrong_arrows('humanbench.attic', [])


def owner(name: str) -> str:
    """The module that a dotted name is, or lies in."""
    while name not in MODULES:
        name = name.rpartition('.')[0]
    return name


def test_no_circle_between_rooms():
    graph = {module: {room(x) for x in imports_of(module)} for module in MODULES}
    rooms: dict[str, set[str]] = {}
    for module, targets in graph.items():
        own = room(module)
        if own is not None:
            rooms.setdefault(own, set()).update(x for x in targets if x not in (None, own))
    TopologicalSorter(rooms).prepare()
    with pytest.raises(CycleError):
        TopologicalSorter(rooms | {'models': rooms['models'] | {'engine'}}).prepare()


def test_no_circle_between_modules_while_they_are_imported():
    def graph(more: Mapping[str, str] = {}) -> dict[str, set[str]]:  # noqa: B006  (never changed)
        edges = {module: {owner(x) for x in imports_of(module, later=False) if x.split('.')[0] == 'humanbench'}
                 for module in MODULES}
        for module, target in more.items():
            edges[module].add(target)
        return {module: targets - {module} for module, targets in edges.items()}

    TopologicalSorter(graph()).prepare()
    with pytest.raises(CycleError):
        TopologicalSorter(graph({'humanbench.errors': 'humanbench.catalog'})).prepare()


def reached(start: str) -> tuple[set[str], set[str]]:
    """Modules of the package and libraries that a module needs, directly and by way of others."""
    modules, libraries, waiting = set(), set(), [start]
    while waiting:
        module = waiting.pop()
        modules.add(module)
        for name in imports_of(module):
            top = name.split('.')[0]
            if top == 'humanbench':
                waiting += {owner(name)} - modules
            elif top not in sys.stdlib_module_names:
                libraries.add(top)
    return modules, libraries


@pytest.mark.parametrize('module', [x for x in PURE if x in MODULES])
def test_plan_and_placement_need_no_model_and_no_data(module):
    modules, libraries = reached(module)
    assert {room(x) for x in modules} <= {'engine', 'errors', 'seeds'} and libraries <= PURE_LIBRARIES
    assert all(x in (*PURE, 'humanbench.errors', 'humanbench.seeds') for x in modules)


def test_what_the_loop_needs_would_be_caught():
    modules, libraries = reached('humanbench.engine.launch')
    assert 'mmengine' in libraries and 'humanbench.protocols' in modules


# ------------------------------------------------------------------------------------------------------- every door
def test_every_module_can_be_imported():
    assert {module: Path(importlib.import_module(module).__file__).resolve() for module in MODULES} == MODULES
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('humanbench.attic')


def test_files_stay_short():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES.values()}
    assert not {path: n for path, n in lengths.items() if n > MAX_LINES}


def test_the_console_command_lists_every_tool_and_each_says_what_it_does(capsys, monkeypatch):
    expected = {str(path.relative_to(TOOLS).with_suffix('')) for path in files(TOOLS) if path.name[0] != '_'}
    assert {'train', 'test', 'benchmark', 'score', 'minihuman'} <= expected == set(cli.tools())
    assert cli.main([]) == 0
    listed = {line.split()[0]: line.split(None, 1)[1:] for line in capsys.readouterr().out.splitlines()
              if line.startswith('  ')}
    assert set(listed) == expected and all(listed.values())
    monkeypatch.setattr(sys, 'path', [*sys.path])
    for tool in sorted(expected):
        monkeypatch.setattr(sys, 'argv', ['humanbench'])
        with pytest.raises(SystemExit) as stop:
            cli.main([tool, '-h'])
        assert stop.value.code in (0, None), tool
        assert capsys.readouterr().out.startswith('usage: '), tool


# ------------------------------------------------------------------------------------------- what the repository keeps
BINARY = {'.jpg', '.jpeg', '.png', '.gif', '.bmp', '.webp', '.tif', '.tiff', '.pdf', '.mp4', '.avi', '.npy', '.npz',
          '.mat', '.pkl', '.h5', '.odgt', '.pth', '.pt', '.bin', '.onnx', '.safetensors', '.zip', '.tar', '.gz', '.whl',
          '.so'}
LARGEST, LARGEST_DOCS = 300_000, 1_000_000
# Written so that this file does not match itself.
FOREIGN = re.compile(
    r'(?<![\w.~>-])/(?:home|root|work|tmp|mnt|Users)/\w|py[p]i\.|python[h]osted|index[-_]ur[l]|artifactor[y]',
    re.IGNORECASE)


@pytest.fixture(scope='module')
def tracked() -> list[Path]:
    """The files that git keeps."""
    if not (ROOT / '.git').exists():
        pytest.skip('this is no git checkout')
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split('\0') if name and (ROOT / name).is_file()]


def test_no_data_pictures_or_weights_are_kept(tracked):
    docs = [path for path in tracked if path.is_relative_to(ROOT / 'docs')]
    rest = [path for path in tracked if path not in docs]
    assert not [path for path in rest if path.suffix.lower() in BINARY or path.stat().st_size > LARGEST]
    assert sum(path.stat().st_size for path in docs) <= LARGEST_DOCS
    for path in rest:
        path.read_text(encoding='utf-8')


def test_no_path_of_a_machine_and_no_package_registry(tracked):
    found = [f'{path.relative_to(ROOT)}:{number}: {line.strip()}' for path in tracked
             if path.suffix.lower() not in BINARY
             for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1) if FOREIGN.search(line)]
    assert not found


@pytest.mark.parametrize(('line', 'foreign'), [
    ('root = "/' + 'home/me/data"', True), ('see /' + 'work/main', True), ('--extra-index' + '-url x', True),
    ('https://py' + 'pi.org/simple', True), ('https://example.org/home/x', False), ('a / tmp / b', False)])
def test_the_search_finds_what_it_should(line, foreign):
    assert bool(FOREIGN.search(line)) == foreign
