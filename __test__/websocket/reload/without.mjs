// Without `reopen`.

import { version } from './version.mjs';

const { fetch, websocket } = version('without');
export default { fetch, websocket: { ...websocket, reopen: undefined } };
