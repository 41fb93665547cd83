import { element, write } from './panel.js';

/** A column of a table. */
export interface Column {
  readonly label: string;
  /** Says more of it. */
  readonly title?: string;
  readonly isText?: boolean;
  /** Rows can be sorted by it. */
  readonly sorts?: boolean;
}

export type Cell = string | HTMLElement;

/** A table whose rows stay the same elements while their values change. */
export class Table {
  readonly root = element('div', 'scroll');
  readonly #columns: readonly Column[];
  readonly #body = element('tbody');
  readonly #rows = new Map<string, HTMLTableRowElement>();

  /** @param onSort hears by which column the reader wants to sort */
  constructor(columns: readonly Column[], sorted = -1, onSort?: (column: number) => void) {
    this.#columns = columns;
    const heads = columns.map(({ label, title = '', isText, sorts }, at) => {
      const head = element('th', isText ? 'text' : '', sorts ? '' : label);
      head.scope = 'col';
      head.title = title;
      if (sorts) {
        const button = element('button', 'sort', label);
        button.type = 'button';
        button.addEventListener('click', () => {
          mark(at);
          onSort?.(at);
        });
        head.append(button);
      }
      return head;
    });
    const mark = (column: number) => {
      for (const [at, head] of heads.entries()) {
        head.ariaSort = at === column ? 'descending' : null;
      }
    };
    mark(sorted);
    const table = element('table', '', element('thead', '', element('tr', '', ...heads)));
    table.append(this.#body);
    this.root.append(table);
    // So that the keyboard can scroll it.
    this.root.tabIndex = 0;
  }

  /** Shows these rows in this order. Elements among the cells are taken over once. */
  show(rows: readonly (readonly [key: string, cells: readonly Cell[]])[]): void {
    const keys = new Set(rows.map(([key]) => key));
    for (const [key, row] of this.#rows) {
      if (!keys.has(key)) {
        row.remove();
        this.#rows.delete(key);
      }
    }
    for (const [index, [key, cells]] of rows.entries()) {
      let row = this.#rows.get(key);
      if (row === undefined) {
        row = element('tr');
        for (const { isText } of this.#columns) {
          row.append(element('td', isText ? 'text' : ''));
        }
        this.#rows.set(key, row);
      }
      if (this.#body.children[index] !== row) {
        this.#body.insertBefore(row, this.#body.children[index] ?? null);
      }
      for (const [at, cell] of cells.entries()) {
        const place = row.children[at] as HTMLElement;
        if (typeof cell === 'string') {
          write(place, cell);
        } else if (place.firstChild !== cell) {
          place.replaceChildren(cell);
        }
      }
    }
  }
}
