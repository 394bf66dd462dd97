"""Links of the documentation lead somewhere."""
import re
from pathlib import Path

import pytest

from humanbench.engine.launch import KEYS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def anchors(page: Path) -> set[str]:
    """What headings of a page are called in links."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(encoding='utf-8'), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def dead_links(page: Path) -> list[str]:
    """Links of a page to files that do not exist, or to headings that a page does not have."""
    dead = []
    for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text(encoding='utf-8')):
        name, _, anchor = link.partition('#')
        target = page.parent / name if name else page
        if not re.match(r'[a-z]+:', link) and not (target.exists() and (not anchor or anchor in anchors(target))):
            dead.append(link)
    return dead


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    assert not dead_links(page)


def test_every_page_is_in_the_index():
    index = (ROOT / 'docs' / 'README.md').read_text(encoding='utf-8')
    assert [page.name for page in PAGES[1:] if page.name != 'README.md' and f']({page.name})' not in index] == []


def test_every_key_of_a_config_is_explained():
    page = (ROOT / 'docs' / 'configs.md').read_text(encoding='utf-8')
    assert [key for key in (*KEYS, 'flavors', 'protocols') if f'`{key}`' not in page] == []


def test_control_links_to_nothing_are_found(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('# One, two\n[a](#one-two) [b](#three) [c](none.md) [d](page.md#one-two) [e](https://x.y/none)')
    assert dead_links(page) == ['#three', 'none.md']
