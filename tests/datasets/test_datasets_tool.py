"""``humanbench datasets`` as it is typed: tables, exit status, files, and pages made of the cards."""
import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from humanbench import catalog
from humanbench.datasets import guide, places, storage, table
from humanbench.datasets.base import INDEX_FROM
from humanbench.datasets.roots import dataset_root
from humanbench.datasets.storage import remote

from .stores import serve

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'datasets.py'
EVERYTHING = [*catalog.ids(), *catalog.ids(withdrawn=True)]
IDS = ('lip', 'market1501', 'shanghaitech_a')


@pytest.fixture
def datasets(capsys, monkeypatch, tmp_path) -> Callable[..., tuple[int, str, str]]:
    """``datasets('check', 'lip', ...)`` is typed in an empty folder; gives exit status, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = runpy.run_path(str(TOOL))['main']([str(x) for x in arguments])
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()
    return run


@pytest.fixture
def folder(edition, tmp_path) -> Path:
    """A data folder with three datasets, in which somebody may break something."""
    for id in IDS:
        card = catalog.card(id)
        shutil.copytree(dataset_root('minihuman:tiny', card), tmp_path / 'own' / card.layout.root)
    return tmp_path / 'own'


# ------------------------------------------------------------------------------------------------------- list, show
def test_list_says_where_everything_is(datasets, folder):
    status, out, _ = datasets('list', '--root', folder, '--json', 'list.json')
    rows = {x['id']: x for x in json.loads(Path('list.json').read_text())}
    assert status == 0 and list(rows) == EVERYTHING and all(id in out for id in rows)
    assert {id for id, x in rows.items() if x['found']} == {'lip', 'market1501', 'shanghaitech_a'}
    assert rows['lip']['folder'] == str(folder / 'LIP') and rows['lip']['reader'] == 'LIP'
    assert rows['lip']['tasks'] == ['parsing'] and rows['dukemtmc_reid']['reader'] is None
    assert f'3 of {len(rows)} found' in out and 'not read (withdrawn)' in out


def test_list_of_a_task(datasets, folder):
    _, out, _ = datasets('list', '--root', folder, '--task', 'counting')
    assert 'shanghaitech_b' in out and 'lip' not in out
    assert datasets('list', '--task', 'countin')[0] == 2


def test_list_counts_the_records_of_indices(datasets, folder, monkeypatch):
    monkeypatch.setattr('humanbench.datasets.base.INDEX_FROM', 10)
    status, out, _ = datasets('index', '--root', folder, 'market1501')
    assert status == 0 and all(x in out for x in ('market1501', 'gallery', '32'))
    _, out, _ = datasets('list', '--root', folder)
    line, = (x for x in out.splitlines() if ' market1501 ' in x)
    assert 'train 32' in line and 'lip' not in line


def test_index_says_where_none_is_needed(datasets, folder):
    _, out, _ = datasets('index', '--root', folder)
    assert out.count(f'not needed below {INDEX_FROM:,} records') == sum(
        len(places.reader_of(x).splits) for x in ('lip', 'market1501', 'shanghaitech_a'))
    shutil.rmtree(folder / 'LIP/data')
    status, _, err = datasets('index', '--root', folder)
    assert status == 2 and 'is missing' in err


def test_the_index_of_the_usual_place_is_the_one_that_recipes_find(datasets, folder, monkeypatch):
    """An index is kept by what a reader is told: the tool must tell it what a config tells it."""
    monkeypatch.setenv('HUMANBENCH_DATA', str(folder))
    monkeypatch.setattr('humanbench.datasets.base.INDEX_FROM', 10)
    datasets('index', 'market1501')
    made = []
    monkeypatch.setattr(table.TableWriter, 'spill', lambda self, path: made.append(path))
    places.reader_of('market1501')(split='train', pipeline=[])
    assert not made


@pytest.mark.parametrize('id', EVERYTHING)
def test_show_says_all_that_a_card_says(id, datasets):
    status, out, _ = datasets('show', id)
    card, text = catalog.card(id), ' '.join(out.split())
    said = [card.name, card.licence.text, card.homepage, card.citation, *card.traps, *card.keypoints, *card.classes,
            *card.attributes, *card.splits, *(x['source'] for x in card.splits.values() if 'source' in x)]
    if card.layout is not None:
        said += [card.layout.root.split('/')[-1], *card.layout.files.values()]
    assert status == 0 and not [x for x in said if x and ' '.join(x.split()) not in text]


def test_show_an_unknown_one(datasets):
    status, out, err = datasets('show', 'market1510')
    assert status == 2 and not out and "Did you mean 'market1501'?" in err


# ------------------------------------------------------------------------------------------------------------ check
def test_check_of_a_sound_folder(datasets, folder):
    status, out, _ = datasets('check', '--root', folder, '--workers', 1, '--json', 'found.json')
    assert status == 0 and out.count('sound (synthetic)') == 3 and 'next step' not in out
    assert json.loads(Path('found.json').read_text()) == []


def test_check_of_a_broken_folder(datasets, folder):
    name = next((folder / 'LIP/data/val_images').iterdir())
    name.write_bytes(name.read_bytes()[:300])
    next((folder / 'ShanghaiTech/part_A_final/test_data/ground_truth').iterdir()).unlink()
    status, out, _ = datasets('check', '--root', folder, '--workers', 1, '--json', 'found.json')
    found = json.loads(Path('found.json').read_text())
    assert status == 1 and {(x['dataset'], x['kind']) for x in found if x['kind'] != 'unlisted'} == {
        ('lip', 'unreadable'), ('shanghaitech_a', 'layout')}
    assert [x['file'] for x in found if x['dataset'] == 'lip'] == [str(name.relative_to(folder / 'LIP'))]
    text = ' '.join(out.replace('│', ' ').split())
    assert name.name in text and 'next step' in text and '1 wrong' in text and 'market1501 sound' in text
    assert datasets('check', 'lip', '--root', folder, '--ignore', 'unreadable', '--workers', 1)[0] == 0
    assert datasets('check', 'parsing', 'reid', '--root', folder, '--workers', 1)[0] == 1


def test_check_one_dataset_by_its_own_folder(datasets, folder):
    status, out, _ = datasets('check', 'lip', '--root', folder / 'LIP', '--workers', 1)
    assert status == 0 and 'sound' in out


@pytest.mark.parametrize(('arguments', 'words'), [
    (['check', '--root', 'nowhere'], "there is no folder 'nowhere'"), (['check'], "there is no folder"),
    (['check', '--root', '.'], 'holds no dataset under the name'), (['check', 'lipp'], "Did you mean 'lip'?"),
    (['check', 'dukemtmc_reid'], 'has a card but no reader'),
    (['check', '--root', 'minihuman:tny'], "Did you mean 'tiny'"),
    (['check', 'lip', '--ignore', 'boxs'], "Did you mean 'boxes'?"), (['check', 'lip', '--workers', 0], '--workers 0')])
def test_check_of_what_is_not_there(arguments, words, datasets, monkeypatch):
    monkeypatch.delenv('HUMANBENCH_DATA', raising=False)
    status, _, err = datasets(*arguments)
    assert status == 2 and words in err and 'Traceback' not in err


def test_check_of_a_dataset_that_was_not_unpacked(datasets, folder):
    status, out, _ = datasets('check', 'aic', 'lip', '--root', folder, '--workers', 1)
    assert status == 1 and 'does not exist' in ' '.join(out.replace('│', ' ').split())


# ------------------------------------------------------------------------------------------------------------- pack
def test_a_packed_dataset_is_checked_as_the_folder_was(datasets, folder):
    status, out, _ = datasets('pack', 'lip', '--root', folder, '--out', 'packed', '--shard-size', 0.1)
    assert status == 0 and 'shards' in out
    status, out, _ = datasets('check', '--root', 'packed', '--workers', 1)
    assert status == 0 and 'sound (synthetic)' in out
    status, out, _ = datasets('check', '--root', 'packed', '--workers', 1)
    columns = next(x for x in out.splitlines() if 'sound' in x).split('│')
    assert columns[5].strip() == '0'  # nothing is read a second time
    assert datasets('check', '--quick', '--root', 'packed')[0] == 0
    shard = sorted(Path('packed/LIP').glob('*.tar'))[1]
    shard.write_bytes(shard.read_bytes()[:-9000].ljust(shard.stat().st_size, b'x'))
    shutil.rmtree('cache')
    assert datasets('check', '--root', 'packed', '--workers', 1)[0] == 1


# ----------------------------------------------------------------------------------------------------- behind a URL
@pytest.fixture
def server(folder, tmp_path, monkeypatch):
    """The three datasets as shards behind a URL; it takes a call for what is packed by then."""
    monkeypatch.setattr(remote, 'DEADLINE', 1.0)
    with serve(tmp_path / 'www') as store:
        def packed() -> str:
            for id in IDS:
                root = catalog.card(id).layout.root
                storage.pack(folder / root, tmp_path / 'www' / root, 2**17, progress=False)
            return store.url
        yield packed


def test_a_server_is_listed_checked_and_looked_at_as_the_folder_is(datasets, folder, server):
    url = server()
    datasets('list', '--root', url, '--json', 'list.json')
    found = {x['id']: x['folder'] for x in json.loads(Path('list.json').read_text()) if x['found']}
    assert found == {id: f'{url}/{catalog.card(id).layout.root}' for id in IDS}
    for read in (True, False):  # what has been read is known the next time
        status, out, _ = datasets('check', '--root', url, '--workers', 2, '--json', 'found.json')
        rows = [[y.strip() for y in x.split('│')[1:-1]] for x in out.splitlines() if 'sound (synthetic)' in x]
        assert status == 0 and json.loads(Path('found.json').read_text()) == []
        assert [(x[0], x[-1], int(x[4]) > 0) for x in rows] == [(id, found[id], read) for id in sorted(IDS)]
    for root in (url, f'{url}/LIP'):
        datasets('browse', 'lip', '--root', root, '--num', 4, '--out', 'remote.png')
        datasets('browse', 'lip', '--root', folder, '--num', 4, '--out', 'plain.png')
        assert Path('remote.png').read_bytes() == Path('plain.png').read_bytes()


def test_what_is_wrong_is_found_alike_in_folders_in_shards_and_behind_a_url(datasets, folder, server):
    broken, gone, _ = sorted((folder / 'LIP/data/val_images').iterdir())[:3]
    broken.write_bytes(broken.read_bytes()[:300])
    gone.unlink()
    next((folder / 'ShanghaiTech/part_A_final/test_data/ground_truth').iterdir()).unlink()
    roots, found = (folder, Path('www'), server()), []
    for root in roots:
        assert datasets('check', '--root', root, '--workers', 2, '--json', 'found.json')[0] == 1
        found.append(json.loads(Path('found.json').read_text()))
    keys = ('dataset', 'split', 'kind', 'file')
    plain, shards, remotely = ([{key: x[key] for key in keys} for x in problems] for problems in found)
    assert plain == shards == remotely
    assert {x['kind'] for x in plain} >= {'unreadable', 'missing', 'layout'}
    assert not any('cache' in str(x) for x in found[2])  # nobody knows the folders that stand for URLs


def test_what_a_server_does_not_hold_is_said_and_a_dead_one_too(datasets, folder, server, monkeypatch):
    url = server()
    status, _, err = datasets('check', 'aic', '--root', url)
    assert status == 2 and f"'{url}/aic/packed.idx' is missing" in err and 'Traceback' not in err
    status, _, err = datasets('check', '--root', f'{url}/elsewhere')
    assert status == 2 and f"'{url}/elsewhere' holds no dataset" in err
    monkeypatch.setenv('HUMANBENCH_DATA', url)  # a URL there is a root like any other
    status, out, _ = datasets('check', 'lip', '--workers', 1)
    assert status == 0 and f'{url}/LIP' in out and f'{url}/LIP' in datasets('show', 'lip')[1]
    status, _, err = datasets('check', '--root', 'http://someone:secret@127.0.0.1:1/x')
    assert status == 2 and 'cannot be read' in err and 'secret' not in err and 'Traceback' not in err


# ------------------------------------------------------------------------------------------------------------ audit
def test_audit_writes_a_report_and_a_table(datasets, folder):
    picture = next((folder / 'ShanghaiTech/part_A_final/test_data/images').iterdir())
    next((folder / 'LIP/data/train_images').iterdir()).write_bytes(picture.read_bytes())
    status, out, _ = datasets('audit', '--root', folder, '--out', 'audit.json', '--workers', 1)
    report = json.loads(Path('audit.json').read_text())
    assert status == 0 and report['pretrain'].keys() == {'lip', 'market1501'}
    assert {x: y['leaked'] for x, y in report['datasets'].items()} == {'lip': 0, 'market1501': 0, 'shanghaitech_a': 1}
    line, = (x for x in out.splitlines() if ' shanghaitech_a ' in x)
    assert [x.strip() for x in line.split('│')[1:8]] == ['shanghaitech_a', '4', '1', '1', '0', '0', 'lip']
    status, _, err = datasets('audit', '--root', folder, '--out', 'x.json', '--pretrain', 'lipp', '--evaluate', 'lip')
    assert status == 2 and "Did you mean 'lip'?" in err and not Path('x.json').exists()


# ------------------------------------------------------------------------------------------------------------- docs
def test_the_page_of_the_checkout_is_the_one_that_the_cards_make():
    page = (ROOT / 'docs' / guide.PAGE).read_text(encoding='utf-8')
    assert page == guide.page(), 'write it again: humanbench datasets docs'


def test_the_page_has_every_dataset_with_terms_layout_and_check():
    page = guide.page()
    for id in EVERYTHING:
        card = catalog.card(id)
        if card.layout is None:
            assert card.name in page.partition('## Not read')[2]
            continue
        entry = page.partition(f'### {id}\n')[2].partition('\n### ')[0]
        assert f'`data/{card.layout.root}`' in entry and f'humanbench datasets check {id}' in entry
        assert (card.licence.text or guide.UNKNOWN_TERMS) in entry and f'(#{id})' in page
        assert card.homepage is None or card.homepage in entry
    assert page != guide.page(catalog.ids()[1:])
