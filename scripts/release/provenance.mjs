// Where the packages come from, as the CI that builds them says.

import { SetupError } from '../setup.mjs';

/**
 * The repository that a CI builds, as package.json names it; undefined elsewhere.
 * @param {NodeJS.ProcessEnv} env
 */
export function repositoryOf({ GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name }) {
  return server && name ? `git+${server}/${name}.git` : undefined;
}

/**
 * Whether `npm publish` states the packages' provenance. That takes an identity which
 * only a CI has, and the registry compares it with the repository in the manifest.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {boolean} false where this is no CI
 * @throws {SetupError} where this is one and it does not give what the statement takes
 */
export function hasProvenance(env) {
  if (env.GITHUB_ACTIONS !== 'true') {
    return false;
  }
  if (!env.ACTIONS_ID_TOKEN_REQUEST_URL) {
    throw new SetupError(
      'publishing with provenance needs an identity: give the job "permissions: id-token: write"',
    );
  }
  if (repositoryOf(env) === undefined) {
    throw new SetupError(
      "publishing with provenance needs the repository's address in the manifests, from GITHUB_SERVER_URL and GITHUB_REPOSITORY, which are not set",
    );
  }
  return true;
}
