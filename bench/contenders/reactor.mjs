// reactor-rs as it configures itself: `reactor.mjs PORT HANDLER`.

import { serve } from '../../dist/index.js';

const { default: app } = await import(`./${process.argv[3]}.mjs`);
const fetch = app.fetch.bind(app);
const server = await serve({ fetch, hostname: '127.0.0.1', port: Number(process.argv[2]) });
process.on('SIGTERM', () => server.stop());
