// The native function that takes turns: what it is called with is checked in native code.

import test from 'ava';
import { binding } from '../../dist/binding/binding.js';

const words = () => new Uint32Array(64);
const bytes = () => new Uint8Array(64);

test('other arrays than a turn has are refused', (t) => {
  const { NativeLane } = binding();
  const lane = new NativeLane(() => {});
  const turn = lane.turner();
  t.is(turn(words(), bytes(), words(), 0, bytes()), 0);
  const code = { code: 'InvalidArg' };
  t.throws(() => turn(bytes(), bytes(), words(), 0, bytes()), code);
  t.throws(() => turn(words(), words(), words(), 0, bytes()), code);
  t.throws(() => turn(words(), bytes(), bytes(), 0, bytes()), code);
  t.throws(() => turn(words(), bytes(), words(), 'many', bytes()), code);
  t.throws(() => turn(words(), bytes(), words(), 0, null), code);
  t.throws(() => turn(), code);
  lane.close();
});

test('it outlives its lane, and does nothing then', (t) => {
  const { NativeLane } = binding();
  let lane = new NativeLane(() => {});
  const turns = [lane.turner(), lane.turner()];
  lane.close();
  lane = null;
  for (let i = 0; i < 20; i++) {
    new NativeLane(() => {}).close();
    new Uint8Array(8 * 1024 * 1024).fill(i);
  }
  for (const turn of turns) {
    try {
      t.is(turn(words(), bytes(), words(), 0, bytes()), 0);
    } catch (error) {
      // It has been collected.
      t.is(error.message, 'lane: the lane is gone');
    }
  }
});
