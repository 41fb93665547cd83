// Handlers on four JavaScript threads behind one port: `node examples/threads/server.mjs`
// The same from a shell: `npx reactor-rs serve examples/threads/handlers.mjs --js-threads 4`

import { serve } from 'reactor-rs';

const server = await serve({
  module: new URL('./handlers.mjs', import.meta.url),
  jsThreads: 4,
  hostname: '127.0.0.1',
  port: process.env.PORT ?? 3000,
  gracefulShutdown: true,
  onThreadError: (error, thread) => console.error(`thread ${thread}:`, error),
});
console.log(`listening on ${server.url}`);
