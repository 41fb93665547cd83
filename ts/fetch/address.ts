/** The family of an IP address, named as in Node. */
export function familyOf(address: string): 'IPv4' | 'IPv6';
export function familyOf(address: string | undefined): 'IPv4' | 'IPv6' | undefined;
export function familyOf(address: string | undefined): 'IPv4' | 'IPv6' | undefined {
  return address === undefined ? undefined : address.includes(':') ? 'IPv6' : 'IPv4';
}
