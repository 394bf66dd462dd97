"""The console command: ``humanbench TOOL ARGUMENTS``, the same verbs and arguments as ``mim`` from any install.

``humanbench train CONFIG --gpus 8`` starts eight processes with torch's own launcher.
"""
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import UserError, unknown_name
from .resources import folder

SEVERAL_PROCESSES = ('train', 'test')


def tools() -> dict[str, Path]:
    """Every tool by the name it is called by: ``train``, ``benchmark``, ``speed/data`` ..."""
    root = folder('tools')
    return {str(path.relative_to(root).with_suffix('')): path for path in sorted(root.rglob('*.py'))
            if not path.name.startswith('_')}


def usage() -> str:
    lines = ['usage: humanbench TOOL [ARGUMENTS]', '', 'tools (humanbench TOOL -h says more):']
    for name, path in tools().items():
        first = path.read_text(encoding='utf-8').lstrip().strip('"').split('\n', 1)[0]
        lines.append(f'  {name:<18} {first}')
    return '\n'.join(lines)


def launch(name: str, script: Path, arguments: list[str]) -> int:
    """Run a tool in ``--gpus N`` processes: this one becomes torch's launcher, so that it gets the signals."""
    if name not in SEVERAL_PROCESSES:
        hint = ' Its cells can: --gpus-per-cell N.' if name == 'benchmark' else ''
        return refuse(UserError(
            f'--gpus: {name} runs in one process; {" and ".join(SEVERAL_PROCESSES)} in several.{hint}'))
    at = arguments.index('--gpus')
    (count, *after), before = arguments[at + 1:] or [''], arguments[:at]
    if not count.isdigit() or int(count) < 1:
        return refuse(UserError(f"--gpus '{count}': expected a number of processes above zero, as in --gpus 8."))
    launcher = [] if any(x.split('=')[0] == '--launcher' for x in arguments) else ['--launcher', 'pytorch']
    sys.stdout.flush()
    return os.execv(sys.executable, [sys.executable, '-m', 'torch.distributed.run', '--standalone',
                                     f'--nproc_per_node={count}', str(script), *before, *after, *launcher])


def refuse(error: UserError) -> int:
    """Say what is wrong in one line; the exit status of a wrong command."""
    print(f'{type(error).__name__}: {error}', file=sys.stderr)
    return 2


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ('-h', '--help'):
        print(usage())
        return 0
    name, *rest = arguments
    known = tools()
    if name not in known:
        return refuse(unknown_name('tool', name, known))
    rest = [part for x in rest for part in (x.split('=', 1) if x.startswith('--gpus=') else [x])]
    if '--gpus' in rest:
        return launch(name, known[name], rest)
    sys.argv = [str(known[name]), *rest]
    sys.path.insert(0, str(known[name].parent))
    try:
        runpy.run_path(str(known[name]), run_name='__main__')
    except UserError as error:
        return refuse(error)
    return 0


if __name__ == '__main__':
    sys.exit(main())
