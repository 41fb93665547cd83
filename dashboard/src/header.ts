import { exact, span } from './format.js';
import { element, write } from './panel.js';
import type { Choice, Snapshot } from './snapshot.js';

/** How the page stands to the server. */
export type Condition =
  | { readonly is: 'connecting' | 'live' }
  /** There are values, and they are old. */
  | { readonly is: 'stale'; readonly forMs: number; readonly why: string }
  /** There has been none. */
  | { readonly is: 'missing'; readonly why: string };

export interface HeaderEvents {
  onServer(choice: Choice): void;
  onSeconds(seconds: number): void;
  onPause(isPaused: boolean): void;
}

export const WINDOWS: readonly (readonly [label: string, seconds: number])[] = [
  ['1 min', 60],
  ['3 min', 180],
  ['10 min', 600],
];

/** Which server it is, how it is, and what of it is shown. */
export class Header {
  readonly root = element('header', 'top');
  /** What needs attention. Always there, or the page would jump. */
  readonly notes = element('p', 'notes');
  readonly #state = element('span', 'state connecting', 'connecting');
  readonly #address = element('strong');
  readonly #select = element('select');
  readonly #about = element('span', 'about');
  #choices = '';

  constructor(seconds: number, events: HeaderEvents) {
    const windows = element('div', 'buttons');
    windows.setAttribute('role', 'group');
    windows.setAttribute('aria-label', 'Time shown');
    const buttons = WINDOWS.map(([label, length]) => {
      const button = element('button', '', label);
      button.type = 'button';
      button.addEventListener('click', () => {
        events.onSeconds(length);
        press(length);
      });
      return [button, length] as const;
    });
    const press = (length: number) => {
      for (const [button, its] of buttons) {
        button.setAttribute('aria-pressed', `${its === length}`);
      }
    };
    press(seconds);
    windows.append(...buttons.map(([button]) => button));
    const pause = element('button', 'pause', 'Pause');
    pause.type = 'button';
    pause.setAttribute('aria-pressed', 'false');
    pause.addEventListener('click', () => {
      const isPaused = pause.getAttribute('aria-pressed') !== 'true';
      pause.setAttribute('aria-pressed', `${isPaused}`);
      write(pause, isPaused ? 'Go on' : 'Pause');
      events.onPause(isPaused);
    });
    this.#select.hidden = true;
    this.#select.setAttribute('aria-label', 'Server');
    this.#select.addEventListener('change', () => {
      const [id = '', pid = '', address = ''] = JSON.parse(this.#select.value) as string[];
      events.onServer({ id, pid: Number(pid), address });
    });
    const logo = document.getElementById('logo') as HTMLTemplateElement;
    this.#state.setAttribute('role', 'status');
    this.root.append(
      element('div', 'brand', logo.content.cloneNode(true), element('h1', '', 'reactor-rs')),
      element('div', 'server', this.#address, this.#select, this.#state),
      this.#about,
      element('div', 'controls', windows, pause),
    );
  }

  /** Servers to choose from; none where there is no choice. */
  choose(choices: readonly Choice[], selected: string | null): void {
    const known = JSON.stringify([choices, selected]);
    if (known === this.#choices) {
      return;
    }
    this.#choices = known;
    const isChoice = choices.length > 1 || (choices.length === 1 && selected === null);
    this.#select.hidden = !isChoice;
    this.#address.hidden = isChoice;
    const options = choices.slice(0, 256).map(({ id, pid, address }) => {
      const option = element('option', '', `${address} · pid ${pid}`);
      option.value = JSON.stringify([id, `${pid}`, address]);
      option.selected = id === selected;
      return option;
    });
    if (selected === null) {
      const none = element('option', '', 'choose a server');
      none.disabled = true;
      none.selected = true;
      options.unshift(none);
    }
    this.#select.replaceChildren(...options);
  }

  render(condition: Condition, snapshot: Snapshot | null): void {
    const [name, text] = stateOf(condition, snapshot);
    this.#state.className = `state ${name}`;
    write(this.#state, text);
    this.#state.title = 'why' in condition ? condition.why : '';
    if (snapshot !== null) {
      const { address, pid, version, stats } = snapshot;
      write(this.#address, address);
      write(this.#about, `pid ${pid} · version ${version} · up ${span(stats.uptimeMs)}`);
    }
    const notes = notesOf(condition, snapshot);
    this.notes.classList.toggle('quiet', notes.length === 0);
    write(this.notes, notes.length === 0 ? 'Nothing needs attention.' : notes.join('  ·  '));
  }
}

function stateOf(condition: Condition, snapshot: Snapshot | null): [name: string, text: string] {
  if (condition.is === 'stale') {
    return ['stale', `no data for ${span(condition.forMs)}`];
  }
  if (condition.is !== 'live' || snapshot === null) {
    return [condition.is, condition.is === 'missing' ? 'no server' : 'connecting'];
  }
  const { ready, stopping = false } = snapshot.stats;
  const name = stopping ? 'stopping' : ready === undefined ? 'live' : ready ? 'ready' : 'unready';
  return [name, name === 'unready' ? 'not ready' : name];
}

/** What an operator should look at, the most pressing first. */
function notesOf(condition: Condition, snapshot: Snapshot | null): string[] {
  const why = 'why' in condition ? [sentence(condition.why)] : [];
  if (snapshot === null) {
    return why;
  }
  const { lanes, tls, connections, accessLog } = snapshot.stats;
  const blocked = lanes.filter(({ state }) => state === 'blocked').map(({ lane }) => lane);
  const days = tls.certificates.map(({ subject, expires }) => ({
    subject,
    left: (expires * 1000 - Date.now()) / 86_400_000,
  }));
  const soon = days.filter(({ left }) => left < 14);
  return [
    ...why,
    ...(blocked.length === 0
      ? []
      : [`${blocked.length === 1 ? 'Lane' : 'Lanes'} ${blocked.slice(0, 8).join(', ')} blocked`]),
    ...soon
      .slice(0, 4)
      .map(({ subject, left }) =>
        left < 0
          ? `Certificate ${subject} has expired`
          : `Certificate ${subject} expires in ${Math.floor(left)} days`,
      ),
    ...counted(connections.acceptPauses, 'pause in accepting', 'pauses in accepting'),
    ...counted(connections.refused, 'connection turned away', 'connections turned away'),
    ...counted(accessLog?.lost ?? 0, 'line of the access log lost', 'lines of the access log lost'),
  ];
}

function counted(n: number, one: string, many: string): string[] {
  return n > 0 ? [`${exact(n)} ${n === 1 ? one : many}`] : [];
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
