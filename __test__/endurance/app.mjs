// A module for `reactor-rs serve`: what it answers is in the environment.

import { ANSWERS } from './answers.mjs';

export default { fetch: ANSWERS[process.env.ENDURANCE_ANSWER].handle };
