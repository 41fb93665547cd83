/**
 * Whether this process is to start another that serves, and to start it anew when it crashes. Wrong
 * flags are told by that process.
 */
export function isSupervisor(
  args: readonly string[],
  { REACTOR_SUPERVISE: variable }: NodeJS.ProcessEnv,
  pid: number,
): boolean {
  const [command, ...rest] = args;
  const last = rest.indexOf('--');
  const flags = last < 0 ? rest : rest.slice(0, last);
  const has = (...names: string[]) => flags.some((flag) => names.includes(flag));
  if (command !== 'serve' || has('--watch', '-h', '--help')) {
    return false;
  }
  const [flag] = flags.filter((each) => /^--(no-)?supervise$/.test(each)).reverse();
  if (flag !== undefined) {
    return flag === '--supervise';
  }
  return variable === 'true' || variable === '1' || (!variable && pid === 1);
}
