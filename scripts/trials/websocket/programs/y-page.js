// The page of the trial of y-websocket.

import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';

const doc = new Y.Doc();
window.text = doc.getText('text');
window.provider = new WebsocketProvider(`ws://${location.host}`, 'pages', doc, { disableBc: true });
