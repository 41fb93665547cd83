#!/usr/bin/env node
import { main } from './main.js';

// Set, not process.exit(): output that is still on its way must get out.
process.exitCode = await main(process.argv.slice(2));
