// Each thread loads this module for itself.

import { scryptSync } from 'node:crypto';
import { threadId } from 'node:worker_threads';

export default {
  routes: {
    '/healthz': 'ok',
    // Some 50 ms of work, in which this thread does nothing else.
    '/hash/:text': ({ params }) => {
      const hash = scryptSync(params.text, 'salt', 32).toString('hex');
      return Response.json({ hash, thread: threadId });
    },
  },
};
