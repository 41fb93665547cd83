import { version } from './version.mjs';

export default version('three');
