import { readFileSync } from 'node:fs';

// Process 1 is the parent of all processes that have lost theirs. One that has ended stays in the
// kernel's table until its parent has taken note of it. Node does so only for its own children.

/** Takes note of children that have ended, but for these. */
export async function reapOrphans(own: ReadonlySet<number | undefined>): Promise<void> {
  const ended = childrenOf(process.pid).filter((pid) => !own.has(pid) && hasEnded(pid));
  if (ended.length > 0) {
    // Loaded for this alone: the supervisor is to stay small.
    const { binding } = await import('../binding/binding.js');
    for (const pid of ended) {
      binding().reap(pid);
    }
  }
}

/** The children of a process (proc(5)); none where the kernel does not tell. */
function childrenOf(pid: number): number[] {
  return (read(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').filter(Boolean).map(Number);
}

function hasEnded(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  // The state follows the name, which may hold brackets itself.
  return stat?.slice(stat.lastIndexOf(')') + 2)[0] === 'Z';
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
