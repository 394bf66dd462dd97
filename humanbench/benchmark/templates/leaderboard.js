'use strict';
(() => {
  const table = document.getElementById('results');
  const body = table.tBodies[0];
  const lines = Array.from(body.rows);
  const form = document.getElementById('filters');
  const count = document.getElementById('count');
  const headers = Array.from(table.tHead.rows[0].cells);

  const show = () => {
    const words = form.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const line of lines) {
      const data = line.dataset;
      const chosen = ['task', 'protocol', 'weights', 'group'].every(
        name => !form.elements[name].value || form.elements[name].value === data[name]);
      const kind = form.elements[data.kind].checked && (data.ranked === 'yes' || form.elements.secondary.checked);
      const text = words.every(word => line.textContent.toLowerCase().includes(word));
      line.hidden = !(chosen && kind && text);
      shown += line.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${lines.length} lines shown`;
  };

  const sortBy = (column, direction) => {
    const numeric = headers[column].dataset.type === 'number';
    const key = line => line.cells[column].dataset.sort;
    const compare = (a, b) => {
      const left = key(a), right = key(b);
      if (left === '' || right === '') return (left === '') - (right === '');  // lines without a value stay at the end
      const order = numeric ? Number(left) - Number(right) : left.localeCompare(right, 'en', { numeric: true });
      return direction === 'ascending' ? order : -order;
    };
    body.append(...lines.sort(compare));
    headers.forEach((header, index) => header.setAttribute('aria-sort', index === column ? direction : 'none'));
  };

  headers.forEach((header, column) => header.querySelector('button').addEventListener('click', () => {
    sortBy(column, header.getAttribute('aria-sort') === 'ascending' ? 'descending' : 'ascending');
  }));
  form.addEventListener('input', show);
  form.addEventListener('submit', event => event.preventDefault());
  form.addEventListener('reset', () => setTimeout(show));
  form.hidden = false;
  show();
})();
