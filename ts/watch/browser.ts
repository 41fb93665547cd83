import { EVENTS_PATH } from './page.js';

/**
 * What the browser runs. It loads the document again after a reload, and shows the error of one that
 * failed above it. It sets styles one by one, because a Content-Security-Policy may forbid others.
 */
export const SCRIPT = `(() => {
  const { id, error } = document.currentScript.dataset;
  let shown = null;
  const show = (text) => {
    if (shown === null) {
      shown = document.createElement('pre');
      Object.assign(shown.style, {
        position: 'fixed', inset: 'auto 0 0 0', zIndex: '2147483647', margin: '0', padding: '1rem',
        maxHeight: '60vh', overflow: 'auto', background: '#1b1b1f', color: '#f2f2f2',
        borderTop: '4px solid #d33', font: '14px/1.5 ui-monospace, monospace', whiteSpace: 'pre',
        textAlign: 'left',
      });
      shown.title = 'reactor-rs serve --watch: click to hide';
      shown.addEventListener('click', () => { shown.remove(); shown = null; });
      (document.body || document.documentElement).append(shown);
    }
    shown.textContent = text;
  };
  let events = null;
  const listen = () => {
    // Hidden documents would use up the few connections that a browser opens to one host.
    if (events !== null || document.visibilityState === 'hidden') {
      return;
    }
    events = new EventSource('${EVENTS_PATH}');
    events.onmessage = ({ data }) => {
      const now = JSON.parse(data);
      if (now.id !== id || (error !== '' && now.error !== error)) {
        reload(now.id + now.error);
      } else if (now.error !== error) {
        show(now.text);
      }
    };
  };
  // A service worker may answer with a document from before, again and again.
  const reload = (version) => {
    const name = 'reactor-rs --watch';
    let before;
    try {
      before = sessionStorage.getItem(name);
      sessionStorage.setItem(name, version);
    } catch {}
    if (before !== version) {
      stop();
      location.reload();
    }
  };
  const stop = () => {
    events?.close();
    events = null;
  };
  document.addEventListener('visibilitychange', () =>
    document.visibilityState === 'hidden' ? stop() : listen());
  addEventListener('pagehide', stop);
  addEventListener('pageshow', listen);
  listen();
})();
`;
