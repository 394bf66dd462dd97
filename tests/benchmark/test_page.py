"""The page in a real browser: sorting, filtering, no errors, nothing loaded, usable on a phone and without eyes."""
import pytest

from .browser import Browser, chromium

pytestmark = pytest.mark.skipif(chromium() is None, reason='no chromium on this machine')

VISIBLE = "Array.from(document.querySelectorAll('#results tbody tr')).filter(x => !x.hidden)"
HEADINGS = 'Array.from(document.querySelectorAll("#overview-table thead tr:nth-child(2) th"))'
CONTRAST = '''(() => {
  const parse = text => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const light = ([r, g, b]) => { const f = x => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = x => {
    for (; x; x = x.parentElement) { const c = parse(getComputedStyle(x).backgroundColor); if (c[3] > 0.5) return c; }
    return [255, 255, 255, 1]; };
  let worst = [99, ''];
  for (const x of document.querySelectorAll('main *, header *')) {
    const text = Array.from(x.childNodes).some(n => n.nodeType === 3 && n.textContent.trim());
    if (!text || !x.getClientRects().length) continue;
    const style = getComputedStyle(x);
    const pair = [light(parse(x.closest('svg') ? style.fill : style.color)), light(behind(x))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < worst[0]) worst = [ratio, x.outerHTML.slice(0, 90)];
  }
  return worst;
})()'''


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp('profile')) as browser:
        yield browser


@pytest.fixture
def page(browser, full_board):
    browser.resize(1280, 900)
    browser.open((full_board / 'leaderboard.html').as_uri())
    yield browser
    assert browser.problems() == []


def column(page, index):
    return page.evaluate(f'{VISIBLE}.map(x => x.cells[{index}].dataset.sort ?? x.cells[{index}].textContent)')


def index_of(page, name):
    return page.evaluate(
        f"Array.from(document.querySelectorAll('#results thead th')).findIndex(x => x.textContent.trim() === '{name}')")


def choose(page, name, value):
    page.evaluate(
        f'''(() => {{ const field = document.getElementById('filters').elements['{name}']; field.value = '{value}';
        field.dispatchEvent(new Event('input', {{bubbles: true}})); }})()''')


def test_problems_are_noticed(browser, tmp_path):
    bad = tmp_path / 'bad.html'
    bad.write_text('<script>console.error("x"); undefinedFunction()</script><img src="http://127.0.0.1:9/x.png">')
    browser.open(bad.as_uri())
    assert len(browser.problems()) >= 3


def test_a_click_on_a_heading_sorts(page):
    value = index_of(page, 'value')
    selector = f'#results thead th:nth-child({value + 1}) button'
    page.click(selector)
    rising = column(page, value)
    numbers = [float(x) for x in rising if x]
    assert len(numbers) > 50 and numbers == sorted(numbers)
    assert rising[:len(numbers)] == [x for x in rising if x]  # lines without a value come last
    assert page.evaluate("document.querySelector('#results th[aria-sort=ascending]').textContent.trim()") == 'value'
    page.click(selector)
    falling = column(page, value)
    assert [float(x) for x in falling if x] == numbers[::-1] and falling[-1] == ''
    assert page.evaluate("document.querySelectorAll('#results th[aria-sort=descending]').length") == 1
    page.click('#results thead th:nth-child(2) button')
    names = column(page, 1)
    assert names == sorted(names) and len(set(names)) == 6
    assert page.evaluate("document.querySelectorAll('#results th[aria-sort=none]').length") == 11


def overview(page, expression):
    """JavaScript over the rows of the first protocol of the overview that are seen, as ``rows``."""
    return page.evaluate(f'''(() => {{ const rows = Array.from(document.querySelectorAll("#overview-table tbody")).find(
        x => !x.hidden).rows; return Array.from(rows).slice(1).filter(x => !x.hidden).{expression}; }})()''')


def test_the_overview_sorts_best_first_whatever_best_is(page):
    for dataset, sign in (('coco_pose', -1), ('h36m_pose', 1)):
        number = page.evaluate(f'{HEADINGS}.findIndex(x => x.textContent.includes("{dataset}")) + 1')
        for turn in (sign, -sign):
            page.click(f'#overview-table thead tr:nth-child(2) th:nth-child({number}) button')
            found = overview(page, f"map(x => x.cells[{number}].dataset.value ?? '')")
            numbers = [float(x) for x in found if x]
            assert len(numbers) > 5 and numbers == sorted(numbers, key=lambda x: turn * x)
            assert found[:len(numbers)] == [x for x in found if x]
        assert page.evaluate("document.querySelectorAll('#overview-table th[aria-sort=none]').length") == 6
    page.click('#overview-table thead th button')
    names = overview(page, 'map(x => x.cells[0].textContent)')
    assert names == sorted(names, key=str.lower)


def test_the_overview_shows_what_is_chosen(page):
    def chosen(name, value):
        page.evaluate(f'''(() => {{ const field = document.getElementById("view").elements["{name}"];
            field.value = "{value}"; field.dispatchEvent(new Event("input", {{bubbles: true}})); }})()''')
        return page.evaluate(
            f'{HEADINGS}.filter(x => x.getClientRects().length).map(x => x.querySelector("button").textContent)')

    everything = overview(page, 'length')
    assert chosen('task', 'pose') == ['aic', 'coco_pose', 'h36m_pose']
    assert overview(page, 'every(x => Array.from(x.cells).filter(y => y.getClientRects().length).length === 4)')
    assert chosen('task', '')[0] == 'market1501' and chosen('group', 'out') == ['atr']
    chosen('protocol', 'head')
    assert page.evaluate("document.querySelectorAll('#overview-table tbody:not([hidden])').length") == 1
    page.click('#view input[name=published]')
    assert overview(page, "every(x => !x.classList.contains('published'))")
    page.click('#view button[type=reset]')
    assert page.evaluate("new Promise(done => setTimeout(done, 50))") is None and overview(page, 'length') == everything


def test_headings_work_from_the_keyboard(page):
    page.evaluate("document.querySelector('#results thead button').focus()")
    for kind in ('keyDown', 'keyUp'):
        page.call('Input.dispatchKeyEvent', type=kind, key='Enter', code='Enter', windowsVirtualKeyCode=13, text='\r')
    names = [x for x in dict.fromkeys(column(page, 0)) if x in ('path', 'scratch', 'UniHCP ViT-B', 'CLIP ViT-B')]
    assert names == ['CLIP ViT-B', 'path', 'scratch', 'UniHCP ViT-B']
    assert page.evaluate("document.querySelector('#results thead th').getAttribute('aria-sort')") == 'ascending'


def test_filters_hide_lines(page):
    everything = page.evaluate(f'{VISIBLE}.length')
    choose(page, 'task', 'pose')
    assert set(page.evaluate(f'{VISIBLE}.map(x => x.dataset.task)')) == {'pose'}
    choose(page, 'protocol', 'head')
    choose(page, 'weights', 'path')
    found = page.evaluate(f'{VISIBLE}.map(x => [x.dataset.weights, x.dataset.protocol, x.dataset.task])')
    assert found == [['path', 'head', 'pose']] * 3
    assert page.evaluate("document.getElementById('count').textContent").startswith('3 of ')
    assert page.evaluate(f"{VISIBLE}.every(x => x.getClientRects().length > 0)")
    assert page.evaluate(
        "Array.from(document.querySelectorAll('#results tbody tr[hidden]')).every(x => !x.getClientRects().length)")
    page.click('#filters button[type=reset]')
    assert page.evaluate(f'new Promise(done => setTimeout(() => done({VISIBLE}.length), 50))') == everything


def test_kinds_of_lines_can_be_hidden(page):
    kinds = page.evaluate(f'Array.from(new Set({VISIBLE}.map(x => x.dataset.kind))).sort()')
    assert kinds == ['absent', 'own', 'published']
    page.click('#filters input[name=published]')
    assert page.evaluate(f"{VISIBLE}.every(x => x.dataset.kind !== 'published')")
    assert page.evaluate(f"{VISIBLE}.filter(x => x.dataset.kind === 'absent').length") == 4
    choose(page, 'search', 'aic not run')
    assert page.evaluate(f'{VISIBLE}.map(x => x.dataset.weights)') == ['scratch']


def test_published_lines_are_marked_with_source(page):
    lines = page.evaluate("""Array.from(document.querySelectorAll('tr.published')).map(
        x => [x.querySelector('.badge')?.textContent, x.textContent])""")
    assert len(lines) > 50 and all(badge == 'published' for badge, _ in lines)
    assert any('HumanBench/PATH talk slides (CVPR 2023)' in text for _, text in lines)


def test_debug_pages_hide_published_lines_until_asked(browser, debug_board):
    browser.open((debug_board / 'leaderboard.html').as_uri())
    assert browser.evaluate(f"{VISIBLE}.every(x => x.dataset.kind !== 'published')")
    assert browser.evaluate("document.querySelector('.banner').getClientRects().length") == 1
    assert browser.evaluate(f"{VISIBLE}.every(x => x.querySelector('.badge.debug'))")
    browser.click('#filters input[name=published]')
    assert browser.evaluate(f"{VISIBLE}.some(x => x.dataset.kind === 'published')")
    assert browser.evaluate(f"{VISIBLE}.every(x => x.querySelector('.badge.debug, .badge.published'))")
    assert browser.problems() == []


@pytest.mark.parametrize('width, mobile', [(1280, False), (390, True)])
@pytest.mark.parametrize('dark', [False, True])
def test_it_fits_and_can_be_read(page, width, mobile, dark):
    page.resize(width, 900, mobile, dark)
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == dark
    ratio, where = page.evaluate(CONTRAST)
    assert ratio >= 4.5, (ratio, where)
    smallest = page.evaluate("""Math.min(...Array.from(document.querySelectorAll('svg text')).map(
        x => x.getBoundingClientRect().height))""")
    assert smallest >= 10
    for table in ('#overview-table', '#results'):  # the names stay when the rest moves, and the headings, too
        assert page.evaluate(f'''(() => {{ const table = document.querySelector("{table}"), box = table.parentElement;
            box.scrollLeft = 300; box.scrollTop = 400;
            const edge = box.getBoundingClientRect(), name = table.tBodies[0].rows[3].cells[0].getBoundingClientRect();
            const head = table.tHead.getBoundingClientRect();
            return [Math.abs(name.left - edge.left) < 2, Math.abs(head.top - edge.top) < 2,
                    box.scrollTop > 0 && (box.scrollLeft > 0 || innerWidth > 400)]; }})()''') == 3 * [True], table


def test_a_value_is_seen_on_a_phone_without_scrolling(page):
    page.resize(390, 844, True)
    right = page.evaluate("""Math.max(...Array.from(document.querySelectorAll("#results tbody tr")).slice(0, 9).map(
        x => x.cells[3].getBoundingClientRect().right))""")
    assert right <= 390


def test_on_paper_nothing_is_cut_off(page):
    page.call('Emulation.setEmulatedMedia', media='print')
    assert page.evaluate(
        "Array.from(document.querySelectorAll('.scroll')).every(x => getComputedStyle(x).overflowX === 'visible')")
    assert page.evaluate("Array.from(document.querySelectorAll('form, nav')).every(x => !x.getClientRects().length)")
    page.call('Emulation.setEmulatedMedia', media='')


def test_tables_and_plots_have_names_and_scopes(page):
    assert page.evaluate(
        "Array.from(document.querySelectorAll('table')).every(x => x.caption && x.caption.textContent.trim())")
    assert page.evaluate("Array.from(document.querySelectorAll('th')).every(x => x.scope)")
    assert page.evaluate(
        "Array.from(document.querySelectorAll('svg')).every(x => x.getAttribute('aria-label').length > 20)")
    assert page.evaluate(
        "Array.from(document.querySelectorAll('#filters select, #filters input')).every(x => x.labels.length === 1)")
    assert page.evaluate("document.querySelectorAll('svg').length") == 6


def test_without_javascript_everything_is_there_and_no_control_that_does_nothing(browser, full_board):
    browser.call('Emulation.setScriptExecutionDisabled', value=True)
    try:
        browser.open((full_board / 'leaderboard.html').as_uri())
        forms = "Array.from(document.querySelectorAll('form')).every(x => !x.getClientRects().length)"
        assert browser.evaluate(forms) and browser.evaluate(f'{VISIBLE}.length') > 100
        assert browser.problems() == []
    finally:
        browser.call('Emulation.setScriptExecutionDisabled', value=False)
