/**
 * A program in Python: it stops one thread of a process, by number and name, as a debugger does
 * (ptrace(2)). The others go on. It prints "held", and lets go when its standard input ends.
 */
export const HOLD = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
tasks = f"/proc/{sys.argv[1]}/task"
thread = next(t for t in os.listdir(tasks) if open(f"{tasks}/{t}/comm").read().strip() == sys.argv[2])
if libc.ptrace(16, int(thread), None, None) != 0: # PTRACE_ATTACH
    sys.exit(77)
os.waitpid(int(thread), 0x40000000) # __WALL
print("held", flush=True)
sys.stdin.read()
libc.ptrace(17, int(thread), None, None) # PTRACE_DETACH
`;
