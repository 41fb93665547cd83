// Hono on @hono/node-server: `hono-node.mjs PORT`.

import { serve } from '../peers/node_modules/@hono/node-server/dist/index.mjs';
import app from './hono.mjs';

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.argv[2]) });
