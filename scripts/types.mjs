// `npm run types`: commits to the binding's types as the native build makes them.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { GENERATED_TYPES, ROOT, setup } from './setup.mjs';

setup();
copyFileSync(GENERATED_TYPES, join(ROOT, 'index.d.ts'));
setup();
