// Load balancers in front of three programs that are restarted one after the other.

import { finish, program } from '../lib.mjs';

program('haproxy');
program('nginx');
finish();
