'use strict';
(() => {
  const listen = (form, show) => {
    form.addEventListener('input', show);
    form.addEventListener('submit', event => event.preventDefault());
    form.addEventListener('reset', () => setTimeout(show));
    form.hidden = false;
    show();
  };
  // lines without a value stay at the end, whatever the direction
  const byValue = (key, order, direction) => (a, b) => {
    const left = key(a), right = key(b);
    if (left === '' || right === '') return (left === '') - (right === '');
    return direction === 'ascending' ? order(left, right) : order(right, left);
  };
  const byNumber = (a, b) => Number(a) - Number(b);
  const byText = (a, b) => a.localeCompare(b, 'en', { numeric: true });
  const mark = (headers, chosen, direction) => headers.forEach(
    header => header.setAttribute('aria-sort', header === chosen ? direction : 'none'));

  const overview = () => {
    const table = document.getElementById('overview-table');
    const form = document.getElementById('view');
    const [tasks, columns] = Array.from(table.tHead.rows, row => Array.from(row.cells));
    const corner = tasks.shift();
    const headers = [corner, ...columns];
    const bodies = Array.from(table.tBodies);
    const isSeen = data => ['task', 'group'].every(name => !form.elements[name].value || form.elements[name].value === data[name]);

    const show = () => {
      const seen = columns.map(column => isSeen(column.dataset));
      columns.forEach((column, index) => { column.hidden = !seen[index]; });
      for (const task of tasks) {
        const span = columns.filter((column, index) => seen[index] && column.dataset.task === task.dataset.task).length;
        task.hidden = !span;
        task.colSpan = span || 1;
      }
      const published = form.elements.published;
      for (const body of bodies) {
        body.hidden = form.elements.protocol.value && form.elements.protocol.value !== body.dataset.protocol;
        for (const row of Array.from(body.rows).slice(1)) {
          row.hidden = row.classList.contains('published') && published && !published.checked;
          columns.forEach((_, index) => { row.cells[index + 1].hidden = !seen[index]; });
        }
      }
    };
    headers.forEach((header, index) => header.querySelector('button').addEventListener('click', () => {
      const best = header.dataset.best ?? 'ascending';
      const other = best === 'ascending' ? 'descending' : 'ascending';
      const direction = header.getAttribute('aria-sort') === best ? other : best;
      const compare = index ? byValue(row => row.cells[index].dataset.value ?? '', byNumber, direction)
        : byValue(row => row.cells[0].textContent, byText, direction);
      for (const body of bodies) body.append(...Array.from(body.rows).slice(1).sort(compare));
      mark(headers, header, direction);
    }));
    listen(form, show);
  };

  const lines = () => {
    const table = document.getElementById('results');
    const form = document.getElementById('filters');
    const count = document.getElementById('count');
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const texts = new Map();
    const textOf = row => texts.get(row) ?? texts.set(row, row.textContent.toLowerCase()).get(row);

    const show = () => {
      const words = form.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const data = row.dataset;
        const chosen = ['task', 'protocol', 'weights', 'group'].every(
          name => !form.elements[name].value || form.elements[name].value === data[name]);
        const kind = form.elements[data.kind].checked && (data.ranked === 'yes' || form.elements.secondary.checked);
        row.hidden = !(chosen && kind && words.every(word => textOf(row).includes(word)));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = `${shown} of ${rows.length} lines shown`;
    };
    const headers = Array.from(table.tHead.rows[0].cells);
    headers.forEach((header, column) => header.querySelector('button').addEventListener('click', () => {
      const direction = header.getAttribute('aria-sort') === 'ascending' ? 'descending' : 'ascending';
      const order = header.dataset.type === 'number' ? byNumber : byText;
      const key = row => row.cells[column].dataset.sort ?? row.cells[column].textContent;
      body.append(...rows.sort(byValue(key, order, direction)));
      mark(headers, header, direction);
    }));
    listen(form, show);
  };

  overview();
  lines();
})();
